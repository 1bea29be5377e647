"""CPU use per second, from one reading to the next."""

from __future__ import annotations

from dataclasses import replace

from sampan.aio.clock import Clock
from sampan.kubelet.stats.usage import CpuUse

SHORTEST = 1.0
"""Seconds between two readings that a rate can be taken from."""
LONGEST = 120.0


class Rates:
    """Remembers the last reading of each cgroup that was asked for, and forgets those not asked for in a while."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[str, tuple[float, int, int | None]] = {}

    def of(self, name: str, cpu: CpuUse | None) -> CpuUse | None:
        """The reading with its rate, as soon as there is one before it."""
        if cpu is None:
            return None
        now, known = self._clock.monotonic(), self._known.get(name)
        if known is None or now - known[0] > LONGEST or cpu.total < known[1]:
            self._known[name] = (now, cpu.total, None)
            return cpu
        at, total, rate = known
        if now - at >= SHORTEST:
            rate = int((cpu.total - total) / (now - at))
            self._known[name] = (now, cpu.total, rate)
        return replace(cpu, rate=rate)

    def forget_old(self) -> None:
        now = self._clock.monotonic()
        self._known = {name: known for name, known in self._known.items() if now - known[0] <= LONGEST}
