"""Looks that take long are made more rarely."""

from __future__ import annotations

import pytest

from sampan.cluster.looking import pause


@pytest.mark.parametrize(("took", "waits"), [(0.0, 0.05), (0.01, 0.05), (0.1, 0.3), (5.0, 1.0)])
def test_a_look_takes_a_quarter_of_the_time_at_most(took: float, waits: float) -> None:
    assert pause(took) == pytest.approx(waits)
