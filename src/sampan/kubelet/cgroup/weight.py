"""CPU shares of cgroup v1 (2 to 262144) as weights of v2 (1 to 10000).

Two formulas are in use. The older is a straight line, by which a container of one CPU (1024 shares) got 39, far below
a v2 process's own 100; since 2025 runc (1.3.2), crun (1.23) and the kubelet use a curve that meets (2, 1), (1024, 100)
and (262144, 10000). Source: KEP-2254 and "New conversion from cgroup v1 CPU shares to v2 CPU weight" (kubernetes.io).
"""

from __future__ import annotations

import math

FEWEST_SHARES, MOST_SHARES = 2, 262_144
MOST_WEIGHT = 10_000


def weight(shares: int) -> int:
    """The weight that means `shares`; 0 shares (unset) are 0."""
    if shares == 0:
        return 0
    if shares <= FEWEST_SHARES:
        return 1
    if shares >= MOST_SHARES:
        return MOST_WEIGHT
    power = math.log2(shares)
    return math.ceil(10 ** ((power * power + 125 * power) / 612 - 7 / 34))


def linear_weight(shares: int) -> int:
    """The same by the older formula."""
    return 1 + (min(max(shares, FEWEST_SHARES), MOST_SHARES) - 2) * 9999 // 262_142 if shares else 0


def linear_shares(weight: int) -> int:
    """The shares that a weight means by the older formula; 0 for none."""
    return 2 + (weight - 1) * 262_142 // 9999 if weight else 0
