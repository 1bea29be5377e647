"""Nodes that are not there: they register, renew leases, take pods and run them in name only.

For tests and benchmarks of everything above the kubelet, over any `Client` and in any kind of time; as a command,
`sampan nodes simulate`. `behaviour` says how pods fare, `lifecycle` (pure) what is next for one pod, `machines` what a
node says of itself, `heartbeats` keeps thousands of leases with one task, `binder` stands in for a scheduler, and
`fleet` brings them together.
"""

from __future__ import annotations

from sampan.testing.nodes.behaviour import Behaviour
from sampan.testing.nodes.fleet import SimulatedNodes
from sampan.testing.nodes.machines import Machine

__all__ = ["Behaviour", "Machine", "SimulatedNodes"]
