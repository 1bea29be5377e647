"""When leases end. A lease's time is kept in memory and starts anew when the store is opened, as in etcd."""

from __future__ import annotations

from collections.abc import Iterable


class Deadlines:
    """Leases by the moment they end; instants and durations are monotonic seconds."""

    def __init__(self) -> None:
        self._ends: dict[int, float] = {}

    def set(self, lease: int, moment: float) -> None:
        self._ends[lease] = moment

    def __contains__(self, lease: int) -> bool:
        """False once the lease's end has been decided, even if that is still to be written."""
        return lease in self._ends

    def drop(self, lease: int) -> None:
        self._ends.pop(lease, None)

    def expired(self, now: float) -> list[int]:
        return [lease for lease, moment in self._ends.items() if moment <= now]

    def until_next(self, now: float) -> float | None:
        """Seconds until a lease ends, None when there is none."""
        return max(0.0, min(self._ends.values()) - now) if self._ends else None

    def load(self, leases: Iterable[tuple[int, int]], now: float) -> None:
        for lease, seconds in leases:
            self.set(lease, now + seconds)
