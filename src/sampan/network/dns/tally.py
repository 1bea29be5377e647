"""What is counted of queries, for metrics: a few additions each, put into buckets when somebody asks.

Buckets and known types are CoreDNS's, whose dashboards read them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping

PROTOCOLS = ("udp", "tcp")
OTHER = "other"
TYPES = {
    number.to_bytes(2, "big"): name
    for number, name in {
        1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA", 33: "SRV", 35: "NAPTR",
        43: "DS", 46: "RRSIG", 47: "NSEC", 48: "DNSKEY", 50: "NSEC3", 65: "HTTPS", 251: "IXFR", 252: "AXFR",
        255: "ANY",
    }.items()
}  # fmt: skip
RCODES = ("NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED")
SIZES = (0, 100, 200, 300, 400, 511, 1023, 2047, 4095, 8291, 16e3, 32e3, 48e3, 64e3)
SECONDS = tuple(0.00025 * 2**power for power in range(16))
PROGRAMMING_SECONDS = tuple(0.001 * 2**power for power in range(20))

Buckets = tuple[list[tuple[str, float]], float]
"""A histogram as Prometheus has it: (upper bound, how many at most so much), and the sum of all."""


class Durations:
    """A histogram of seconds."""

    __slots__ = ("_bounds", "_counts", "total")

    def __init__(self, bounds: tuple[float, ...] = SECONDS) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def note(self, seconds: float, times: int = 1) -> None:
        """So many that took so long each."""
        self._counts[bisect_left(self._bounds, seconds)] += times
        self.total += seconds * times

    def buckets(self) -> Buckets:
        return cumulative(self._bounds, self._counts), self.total


class Tally:
    """Queries by one transport and address family. `types`: by name; `rcodes`: by number; `asked`, `answered`: messages
    by their bytes; `durations` may be shared with others."""

    __slots__ = ("answered", "asked", "durations", "rcodes", "types")

    def __init__(self, durations: Durations) -> None:
        self.types: defaultdict[str, int] = defaultdict(int)
        self.rcodes = [0] * 16
        self.asked: defaultdict[int, int] = defaultdict(int)
        self.answered: defaultdict[int, int] = defaultdict(int)
        self.durations = durations

    def query(self, data: bytes) -> None:
        end = data.find(0, 12)
        self.types[TYPES.get(data[end + 1 : end + 3], OTHER)] += 1
        self.asked[len(data)] += 1

    def answer(self, data: bytes) -> None:
        self.rcodes[data[3] & 15] += 1
        self.answered[len(data)] += 1

    @property
    def queries(self) -> int:
        return sum(self.types.values())


def cumulative(bounds: tuple[float, ...], counts: list[int]) -> list[tuple[str, float]]:
    found, total = [], 0
    for bound, count in zip([*map(_bound, bounds), "+Inf"], counts, strict=True):
        total += count
        found.append((bound, float(total)))
    return found


def by_size(sizes: Mapping[int, int]) -> Buckets:
    """Messages by their bytes, in buckets, and the bytes of all."""
    counts = [0] * (len(SIZES) + 1)
    for size, count in sizes.items():
        counts[bisect_left(SIZES, size)] += count
    return cumulative(SIZES, counts), sum(size * count for size, count in sizes.items())


def _bound(value: float) -> str:
    return f"{value:g}"
