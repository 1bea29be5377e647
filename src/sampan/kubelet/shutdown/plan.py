"""In which order pods end when the machine shuts down, and how long each may take: pure.

Either ordinary pods share `shutdownGracePeriod` less the last part, which critical pods have for themselves; or each
class of priorities has a time of its own, the lowest first. A pod never gets more than its own grace.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.qos import CRITICAL_PRIORITY

Periods = Sequence[tuple[int, float]]
"""(priority, seconds): pods of at least that priority, and below the next one's, have that long."""


class Stage(NamedTuple):
    """Pods that end together, within so many seconds."""

    seconds: float
    pods: list[Any]


def periods(config: KubeletConfig) -> Periods:
    """The configuration's, the lowest priority first; () when the machine's shutdown is not waited for."""
    if config.shutdown_grace_by_priority:
        return tuple(sorted(config.shutdown_grace_by_priority))
    if not config.shutdown_grace:
        return ()
    ordinary = config.shutdown_grace - config.shutdown_grace_critical
    return ((-(1 << 31), ordinary), (CRITICAL_PRIORITY, config.shutdown_grace_critical))


def total(found: Periods) -> float:
    """The seconds that the whole shutdown may take."""
    return sum(seconds for _, seconds in found)


def stages(pods: Iterable[Any], found: Periods) -> list[Stage]:
    """Who ends when; pods below the lowest priority end with its class, as upstream. Empty stages are left out."""
    groups: dict[int, list[Any]] = {index: [] for index in range(len(found))}
    for pod in pods:
        priority = pod.spec.priority or 0
        index = max((i for i, (least, _) in enumerate(found) if least <= priority), default=0)
        groups[index].append(pod)
    return [Stage(found[index][1], group) for index, group in groups.items() if group]
