"""How long `up` waits between two looks: on a slow machine, looking must not take the time of what is looked for."""

from __future__ import annotations

SHORTEST, LONGEST = 0.05, 1.0


def pause(took: float) -> float:
    """Seconds until the next look, when the last one took so many."""
    return min(max(SHORTEST, 3 * took), LONGEST)
