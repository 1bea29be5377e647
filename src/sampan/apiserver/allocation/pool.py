"""Choosing a free number from a range: at random, from the upper band first, so that the lower stays for those who ask
by name.

https://kubernetes.io/docs/concepts/services-networking/cluster-ip-allocation/
"""

from __future__ import annotations

import random
from collections.abc import Callable

ATTEMPTS = 64


def reserved(size: int, *, least: int, most: int, divisor: int) -> int:
    """How many numbers at the lower end are kept for those who ask:

    `min(max(least, size/divisor), most)`, 0 in a small range.
    """
    band = min(max(least, size // divisor), most)
    return band if size > band else 0


def choose(first: int, last: int, band: int, taken: Callable[[int], bool], rng: random.Random) -> int | None:
    """A number of `first..last` that is not `taken`; None when all are."""
    for low, high in ((first + band, last), (first, first + band - 1)):
        if low > high:
            continue
        for _ in range(ATTEMPTS):
            number = rng.randint(low, high)
            if not taken(number):
                return number
        start = rng.randint(low, high)
        for number in (*range(start, high + 1), *range(low, start)):
            if not taken(number):
                return number
    return None
