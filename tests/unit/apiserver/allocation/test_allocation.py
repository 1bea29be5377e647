"""Choosing a free number."""

from __future__ import annotations

import random

from sampan.apiserver.allocation import pool


def test_bands() -> None:
    assert pool.reserved(65534, least=16, most=256, divisor=16) == 256
    assert pool.reserved(254, least=16, most=256, divisor=16) == 16
    assert pool.reserved(10, least=16, most=256, divisor=16) == 0


def test_every_number_is_found_and_the_lower_band_last() -> None:
    rng, taken, order = random.Random(1), set(), []
    while (number := pool.choose(10, 59, 10, taken.__contains__, rng)) is not None:
        taken.add(number)
        order.append(number)
    assert sorted(order) == list(range(10, 60))
    assert all(number >= 20 for number in order[:40])
