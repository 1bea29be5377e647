"""One form for every benchmark: what, upstream's figure, the goal, ours, and ours on the reference machine's scale."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """`unit` is "1/s" (more is better) or "s", "MB", "" (less is better); `scaled` ones follow the machine's speed."""

    what: str
    upstream: str
    goal: float
    ours: float
    unit: str
    scaled: bool = True


def show(rows: list[Row], calibration: float) -> None:
    """Prints the table; `calibration` is this machine's speed as a fraction of the reference machine's."""
    print(f"calibrator: {calibration:.2f} of the reference machine's speed")
    print(f"{'what':44} {'upstream':>16} {'goal':>10} {'ours':>10} {'calibrated':>11}  met")
    for row in rows:
        adjusted = calibrated(row, calibration)
        met = adjusted >= row.goal if row.unit == "1/s" else adjusted <= row.goal
        print(
            f"{row.what:44} {row.upstream:>16} {number(row.goal):>10} {number(row.ours):>10} {number(adjusted):>11}  "
            f"{'yes' if met else 'NO'}"
        )


def calibrated(row: Row, calibration: float) -> float:
    """The figure as it would be at the reference machine's speed."""
    if not row.scaled or not calibration:
        return row.ours
    return row.ours / calibration if row.unit == "1/s" else row.ours * calibration


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
