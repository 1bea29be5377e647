"""The check as a person reads it: a row for everybody who asked, a column for everybody asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sampan.network.check.plan import NAMES, NODE, OUTSIDE, POD, SERVICE, Answer, Asked, Place, Told, sources

MOST_COLUMNS = 6
"""With more nodes only what fails is listed."""


View = tuple[Asked, Told]
"""One family."""


def text(views: Sequence[View], found: Sequence[str]) -> str:
    """`found`: the findings."""
    parts = [part for view in views for part in _answers(*view, several=len(views) > 1)]
    if found:
        parts.append("\n".join(["WHAT BLOCKS", *(f"  {number}. {each}" for number, each in enumerate(found, 1))]))
    else:
        parts.append(_well(views))
    return "\n\n".join(parts)


def _answers(asked: Asked, told: Told, *, several: bool) -> list[str]:
    if len(asked.members) > MOST_COLUMNS:
        return [_failures(told, f" by {asked.family}" if several else "")]
    return [_matrix(asked, told, kind, f" BY {asked.family}" if several else "") for kind in (POD, NODE)]


def _well(views: Sequence[View]) -> str:
    for asked, told in views:
        out = [answer.small for (_, target), answer in told.answers.items() if target.kind == OUTSIDE]
        if out and not any(out):
            return f"Everybody reaches everybody; nobody reaches {asked.outside}: --outside names another place."
    return "Everybody reaches everybody."


def document(views: Sequence[View], found: Sequence[str]) -> dict[str, Any]:
    """The same as JSON values."""
    return {
        "answers": [
            {
                "family": asked.family,
                "from": str(source),
                "to": str(target),
                "small": answer.small,
                "large": answer.large,
            }
            for asked, told in views
            for (source, target), answer in told.answers.items()
        ],
        "findings": list(found),
    }


def word(answer: Answer | None) -> str:
    if answer is None:
        return "-"
    return "ok" if answer.fine else "LARGE LOST" if answer.small else "FAILED"


def _matrix(asked: Asked, told: Told, kind: str, by: str) -> str:
    columns = [Place(POD, each.node) for each in asked.members]
    columns += [Place(NODE, each.node) for each in asked.members if each.address]
    columns += [Place(SERVICE), Place(NAMES), *([Place(OUTSIDE)] if asked.outside else [])]
    head = [f"FROM {'PODS' if kind == POD else 'NODES'}{by}", *("to " + str(column) for column in columns)]
    rows = [head]
    for source in sources(asked.members):
        if source.kind == kind:
            rows.append([f"  {source}", *(word(told.answers.get((source, column))) for column in columns)])
    widths = [max(len(row[index]) for row in rows) for index in range(len(head))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _failures(told: Told, by: str) -> str:
    bad = [f"  {s} to {t}: {word(answer)}" for (s, t), answer in told.answers.items() if not answer.fine]
    asked = len(told.answers)
    return "\n".join([f"{asked - len(bad)} of {asked} questions were answered{by}", *bad])
