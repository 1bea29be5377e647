"""What clients' texts are remembered by is bounded in number and in length."""

from __future__ import annotations

from sampan.api.remembered import LONGEST, remembered


def test_short_texts_are_worked_out_once_and_long_ones_each_time() -> None:
    asked: list[str] = []

    @remembered(8)
    def length(text: str, more: int = 0) -> int:
        asked.append(text[:1])
        return len(text) + more

    short, long = "s" * LONGEST, "l" * (LONGEST + 1)
    assert [length(short), length(short), length(long), length(long)] == [LONGEST] * 2 + [LONGEST + 1] * 2
    assert length(short, 1) == length(short, more=1) == LONGEST + 1
    assert asked == ["s", "l", "l", "s", "s"]
