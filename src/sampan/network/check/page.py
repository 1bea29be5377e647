"""The check as a person reads it: a row for everybody who asked, a column for everybody asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sampan.network.check.plan import NAMES, NODE, OUTSIDE, POD, SERVICE, Answer, Asked, Place, Told, sources

MOST_COLUMNS = 6
"""With more nodes only what fails is listed."""


def text(asked: Asked, told: Told, found: Sequence[str]) -> str:
    """`found`: the findings."""
    parts = [_matrix(asked, told, kind) for kind in (POD, NODE)] if len(asked.members) <= MOST_COLUMNS else []
    if not parts:
        parts = [_failures(told)]
    if found:
        parts.append("\n".join(["WHAT BLOCKS", *(f"  {number}. {each}" for number, each in enumerate(found, 1))]))
    else:
        parts.append(_well(asked, told))
    return "\n\n".join(parts)


def _well(asked: Asked, told: Told) -> str:
    out = [answer.small for (_, target), answer in told.answers.items() if target.kind == OUTSIDE]
    if out and not any(out):
        return f"Everybody reaches everybody; nobody reaches {asked.outside}: --outside names another place."
    return "Everybody reaches everybody."


def document(asked: Asked, told: Told, found: Sequence[str]) -> dict[str, Any]:
    """The same as JSON values."""
    return {
        "answers": [
            {"from": str(source), "to": str(target), "small": answer.small, "large": answer.large}
            for (source, target), answer in told.answers.items()
        ],
        "findings": list(found),
    }


def word(answer: Answer | None) -> str:
    if answer is None:
        return "-"
    return "ok" if answer.fine else "LARGE LOST" if answer.small else "FAILED"


def _matrix(asked: Asked, told: Told, kind: str) -> str:
    columns = [Place(k, each.node) for k in (POD, NODE) for each in asked.members]
    columns += [Place(SERVICE), Place(NAMES), *([Place(OUTSIDE)] if asked.outside else [])]
    head = [f"FROM {'PODS' if kind == POD else 'NODES'}", *("to " + str(column) for column in columns)]
    rows = [head]
    for source in sources(asked.members):
        if source.kind == kind:
            rows.append([f"  {source}", *(word(told.answers.get((source, column))) for column in columns)])
    widths = [max(len(row[index]) for row in rows) for index in range(len(head))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _failures(told: Told) -> str:
    bad = [f"  {s} to {t}: {word(answer)}" for (s, t), answer in told.answers.items() if not answer.fine]
    return "\n".join([f"{len(told.answers) - len(bad)} of {len(told.answers)} questions were answered", *bad])
