"""Tables of policy."""

from __future__ import annotations

from typing import Any

from sampan.api.tables import AGE, NAME, Cells, Column, Table
from sampan.api.tables.cells import age, at


def disruption_budget(obj: Any, now: float) -> Cells:
    return [
        obj.metadata.name,
        str(at(obj, "spec.minAvailable", "N/A")),
        str(at(obj, "spec.maxUnavailable", "N/A")),
        at(obj, "status.disruptionsAllowed", 0),
        age(obj, now),
    ]


DISRUPTION_BUDGET = (
    NAME,
    Column("Min Available", text="The minimum number of pods that must be available."),
    Column("Max Unavailable", text="The maximum number of pods that may be unavailable."),
    Column(
        "Allowed Disruptions",
        text="Calculated number of pods that may be disrupted at this time.",
        type="integer",
    ),
    AGE,
)

TABLES = {"PodDisruptionBudget": Table(DISRUPTION_BUDGET, disruption_budget)}
