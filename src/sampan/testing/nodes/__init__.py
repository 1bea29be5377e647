"""Nodes that are not there: they register, renew leases, take pods and run them in name only.

For tests and benchmarks of everything above the kubelet, over any `Client` and in any kind of time; as a command,
`sampan nodes simulate`. `behaviour` says how pods fare, `lifecycle` (pure) what is next for one pod, `machine` what
nodes have and `machines` what they say of themselves, `heartbeats` keeps thousands of leases with one task, `binder`
stands in for a scheduler, and `fleet` brings them together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sampan.testing.nodes.behaviour import Behaviour
from sampan.testing.nodes.machine import Machine

if TYPE_CHECKING:
    from sampan.testing.nodes.fleet import SimulatedNodes

__all__ = ["Behaviour", "Machine", "SimulatedNodes"]


def __getattr__(name: str) -> Any:
    """The fleet is loaded when it is first named: to say what nodes should be like, it is not needed."""
    if name != "SimulatedNodes":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from sampan.testing.nodes.fleet import SimulatedNodes

    return SimulatedNodes
