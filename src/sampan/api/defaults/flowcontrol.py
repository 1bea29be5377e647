"""Defaults of the flowcontrol.apiserver.k8s.io group. Source: API reference v1.36."""

from __future__ import annotations

from typing import Any

CONSTANTS: dict[str, dict[str, Any]] = {
    "flowcontrol_v1.ExemptPriorityLevelConfiguration": {"nominalConcurrencyShares": 0, "lendablePercent": 0},
    "flowcontrol_v1.LimitedPriorityLevelConfiguration": {"nominalConcurrencyShares": 30, "lendablePercent": 0},
}


def flow_schema_spec(o: Any) -> None:
    if not o.matchingPrecedence:
        o.matchingPrecedence = 1000


def queuing(o: Any) -> None:
    o.handSize = o.handSize or 8
    o.queues = o.queues or 64
    o.queueLengthLimit = o.queueLengthLimit or 50


HOOKS = {"flowcontrol_v1.FlowSchemaSpec": flow_schema_spec, "flowcontrol_v1.QueuingConfiguration": queuing}
