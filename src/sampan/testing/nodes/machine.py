"""What simulated nodes have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What each node of a fleet has. `zones` are given out in turn; `taints` are `key=value:Effect` or `key:Effect`."""

    cpu: str = "16"
    memory: str = "64Gi"
    pods: int = 1100
    zones: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: Sequence[str] = ()
