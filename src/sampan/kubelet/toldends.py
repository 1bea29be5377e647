"""Ends of containers that the runtime has told of, while its lists still show them alive."""

from __future__ import annotations

from collections.abc import Collection

from sampan.kubelet.observed import Observed

EVENT_LAG = (0.01, 0.03, 0.1, 0.3, 1.0)
"""Seconds after which to look again when the runtime's lists still show a container alive whose end it has told."""


class ToldEnds:
    """By id of a container or sandbox: how often it was looked for already."""

    def __init__(self) -> None:
        self._tries: dict[str, int] = {}

    def add(self, container_id: str) -> None:
        self._tries[container_id] = 0

    @property
    def pending(self) -> Collection[str]:
        """Those that were not seen to have ended yet."""
        return self._tries.keys()

    def soonest(self, planned: float | None, seen: Observed, now: float) -> float | None:
        """The planned time, or earlier when the runtime still owes us the end of a container it told of."""
        alive = {c.id for c in seen.containers if c.alive} | {s.id for s in seen.sandboxes if s.ready}
        self._tries = {known: tries for known, tries in self._tries.items() if known in alive}
        times = [planned] if planned is not None else []
        for known, tries in list(self._tries.items()):
            if tries < len(EVENT_LAG):
                self._tries[known] = tries + 1
                times.append(now + EVENT_LAG[tries])
            else:
                del self._tries[known]
        return min(times, default=None)
