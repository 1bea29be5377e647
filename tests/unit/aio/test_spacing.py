from __future__ import annotations

from sampan.aio.spacing import Spacing
from sampan.testing.clock import VirtualClock


async def test_a_key_waits_its_time_and_is_forgotten_after_it() -> None:
    clock = VirtualClock()
    spacing: Spacing[str] = Spacing(clock)
    assert spacing.left("a") == 0.0
    spacing.note("a", 2.0)
    spacing.note("b", 0.0)
    assert (spacing.left("a"), spacing.left("b")) == (2.0, 0.0)
    await clock.advance(1.5)
    assert spacing.left("a") == 0.5
    await clock.advance(1.0)
    assert spacing.left("a") == 0.0
    spacing.note("c", 1.0)
    assert len(spacing) == 1, "what is past is forgotten"


async def test_the_last_note_of_a_key_holds() -> None:
    clock = VirtualClock()
    spacing: Spacing[str] = Spacing(clock)
    spacing.note("a", 5.0)
    spacing.note("a", 1.0)
    assert spacing.left("a") == 1.0
