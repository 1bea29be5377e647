"""Sets of completion indexes in the form the API writes them: `1,3-5,7`. Pure."""

from __future__ import annotations

from collections.abc import Iterable


def parse(text: str | None, limit: int | None = None) -> set[int]:
    """The indexes in the text; those at or beyond `limit` are dropped (a job's completions may have shrunk)."""
    found: set[int] = set()
    for part in filter(None, (text or "").split(",")):
        first, _, last = part.partition("-")
        stop = int(last or first) + 1
        found.update(range(int(first), stop if limit is None else min(stop, limit)))
    return found


def write(indexes: Iterable[int]) -> str:
    """The text of a set; runs of three and more become ranges."""
    parts: list[str] = []
    ordered = sorted(indexes)
    position = 0
    while position < len(ordered):
        end = position
        while end + 1 < len(ordered) and ordered[end + 1] == ordered[end] + 1:
            end += 1
        first, last = ordered[position], ordered[end]
        parts.append(str(first) if first == last else f"{first},{last}" if last == first + 1 else f"{first}-{last}")
        position = end + 1
    return ",".join(parts)
