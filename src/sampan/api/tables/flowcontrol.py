"""Tables of flowcontrol.apiserver.k8s.io."""

from __future__ import annotations

from typing import Any

from sampan.api.tables import AGE, NAME, Cells, Column, Table
from sampan.api.tables.cells import NONE, age, at, condition

VERSION = "flowcontrol.v1"


def flow_schema(obj: Any, now: float) -> Cells:
    dangling = condition(obj, "Dangling")
    return [
        obj.metadata.name,
        at(obj, "spec.priorityLevelConfiguration.name", ""),
        at(obj, "spec.matchingPrecedence", 0),
        at(obj, "spec.distinguisherMethod.type", NONE),
        age(obj, now),
        dangling.status or "" if dangling else "?",
    ]


def priority_level(obj: Any, now: float) -> Cells:
    limited = at(obj, "spec.limited")
    queuing = at(limited, "limitResponse.queuing")
    return [
        obj.metadata.name,
        at(obj, "spec.type", ""),
        NONE if limited is None else limited.nominalConcurrencyShares,
        *(at(queuing, field, NONE if queuing is None else 0) for field in ("queues", "handSize", "queueLengthLimit")),
        age(obj, now),
    ]


FLOW_SCHEMA = (
    NAME,
    Column("PriorityLevel", f"{VERSION}.PriorityLevelConfigurationReference.name"),
    Column("MatchingPrecedence", f"{VERSION}.FlowSchemaSpec.matchingPrecedence"),
    Column("DistinguisherMethod", f"{VERSION}.FlowSchemaSpec.distinguisherMethod"),
    AGE,
    Column("MissingPL", text="references a broken or non-existent PriorityLevelConfiguration"),
)
PRIORITY_LEVEL = (
    NAME,
    Column("Type", f"{VERSION}.PriorityLevelConfigurationSpec.type"),
    Column("NominalConcurrencyShares", f"{VERSION}.LimitedPriorityLevelConfiguration.nominalConcurrencyShares"),
    Column("Queues", f"{VERSION}.QueuingConfiguration.queues"),
    Column("HandSize", f"{VERSION}.QueuingConfiguration.handSize"),
    Column("QueueLengthLimit", f"{VERSION}.QueuingConfiguration.queueLengthLimit"),
    AGE,
)

TABLES = {
    "FlowSchema": Table(FLOW_SCHEMA, flow_schema),
    "PriorityLevelConfiguration": Table(PRIORITY_LEVEL, priority_level),
}
