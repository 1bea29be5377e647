"""The priority levels and flow schemas that every cluster has, as tables.

The mandatory ones are what a server cannot do without; the suggested ones are what it does best with.
https://kubernetes.io/docs/concepts/cluster-administration/flow-control/#default-configuration
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from sampan.api.kinds import flowcontrol_v1, meta_v1

AUTO_UPDATE = "apf.kubernetes.io/autoupdate-spec"
MANDATORY = frozenset({"exempt", "catch-all"})
"""Levels and schemas of these names are as here, whatever anybody writes."""
QUEUE_LENGTH = 50
ALL = ("*",)
LEASES = ("coordination.k8s.io", "leases")
ELECTING = ("get", "create", "update")


class Level(NamedTuple):
    """`queues` and `hand`: 0 where what exceeds the shares is turned away at once."""

    shares: int
    lendable_percent: int
    queues: int = 0
    hand: int = 0


LEVELS = {
    "catch-all": Level(5, 0),
    "system": Level(30, 33, 64, 6),
    "node-high": Level(40, 25, 64, 6),
    "leader-election": Level(10, 0, 16, 4),
    "workload-high": Level(40, 50, 128, 6),
    "workload-low": Level(100, 90, 128, 6),
    "global-default": Level(20, 50, 128, 6),
}


class Subject(NamedTuple):
    """A user or group by name, a service account of kube-system ("*": all of them)."""

    kind: str
    name: str


class Rule(NamedTuple):
    """What is asked for: resources of a group, cluster-wide ones included where `cluster_scope`."""

    verbs: Sequence[str]
    group: str
    resources: Sequence[str]
    cluster_scope: bool = False


class Schema(NamedTuple):
    """`rules`: None for every request there is. `flows`: what tells one flow from another, "" for nothing."""

    precedence: int
    level: str
    flows: str
    subjects: Sequence[Subject]
    rules: Sequence[Rule] | None = None
    paths: Sequence[str] = ()


EVERYBODY = (Subject("Group", "system:unauthenticated"), Subject("Group", "system:authenticated"))
NODES = (Subject("Group", "system:nodes"),)
CONTROLLERS = Subject("User", "system:kube-controller-manager")
SCHEDULER = Subject("User", "system:kube-scheduler")
SYSTEM_ACCOUNTS = Subject("ServiceAccount", "*")
ENDPOINT_ACCOUNTS = (
    Subject("ServiceAccount", "endpoint-controller"),
    Subject("ServiceAccount", "endpointslicemirroring-controller"),
)
LEASE_RULE = Rule(ELECTING, LEASES[0], LEASES[1:])

SCHEMAS = {
    "exempt": Schema(1, "exempt", "", (Subject("Group", "system:masters"),)),
    "probes": Schema(2, "exempt", "", EVERYBODY, (), ("/healthz", "/readyz", "/livez")),
    "system-leader-election": Schema(
        100, "leader-election", "ByUser", (CONTROLLERS, SCHEDULER, SYSTEM_ACCOUNTS), (LEASE_RULE,)
    ),
    "endpoint-controller": Schema(
        150, "workload-high", "ByUser", (CONTROLLERS, *ENDPOINT_ACCOUNTS), (Rule(ELECTING, "", ("endpoints",)),)
    ),
    "workload-leader-election": Schema(
        200,
        "leader-election",
        "ByUser",
        (SYSTEM_ACCOUNTS,),
        (Rule(ELECTING, "", ("endpoints", "configmaps")), LEASE_RULE),
    ),
    "system-node-high": Schema(
        400,
        "node-high",
        "ByUser",
        NODES,
        (Rule(ALL, "", ("nodes", "nodes/status"), cluster_scope=True), Rule(ALL, LEASES[0], LEASES[1:])),
    ),
    "system-nodes": Schema(500, "system", "ByUser", NODES),
    "kube-controller-manager": Schema(800, "workload-high", "ByNamespace", (CONTROLLERS,)),
    "kube-scheduler": Schema(800, "workload-high", "ByNamespace", (SCHEDULER,)),
    "kube-system-service-accounts": Schema(900, "workload-high", "ByNamespace", (SYSTEM_ACCOUNTS,)),
    "service-accounts": Schema(9000, "workload-low", "ByUser", (Subject("Group", "system:serviceaccounts"),)),
    "global-default": Schema(9900, "global-default", "ByUser", EVERYBODY),
    "catch-all": Schema(10000, "catch-all", "ByUser", EVERYBODY),
}


def levels() -> list[Any]:
    """The PriorityLevelConfigurations."""
    exempt = {"type": "Exempt", "exempt": {"nominalConcurrencyShares": 0, "lendablePercent": 0}}
    specs = {"exempt": exempt, **{name: _level(level) for name, level in LEVELS.items()}}
    return [_object(flowcontrol_v1.PriorityLevelConfiguration, name, spec) for name, spec in specs.items()]


def schemas() -> list[Any]:
    """The FlowSchemas."""
    return [_object(flowcontrol_v1.FlowSchema, name, _schema(schema)) for name, schema in SCHEMAS.items()]


def _object(struct: Any, name: str, spec: dict[str, Any]) -> Any:
    obj = msgspec.convert({"metadata": {}, "spec": spec}, struct)
    obj.metadata = meta_v1.ObjectMeta(name=name, annotations={AUTO_UPDATE: "true"})
    return obj


def _level(level: Level) -> dict[str, Any]:
    response: dict[str, Any] = {"type": "Reject"}
    if level.queues:
        queuing = {"queues": level.queues, "handSize": level.hand, "queueLengthLimit": QUEUE_LENGTH}
        response = {"type": "Queue", "queuing": queuing}
    limited = {"nominalConcurrencyShares": level.shares, "lendablePercent": level.lendable_percent}
    return {"type": "Limited", "limited": limited | {"limitResponse": response}}


def _schema(schema: Schema) -> dict[str, Any]:
    everything = schema.rules is None
    rules = [Rule(ALL, "*", ALL, cluster_scope=True)] if schema.rules is None else schema.rules
    paths, verbs = (ALL, ALL) if everything else (schema.paths, ("get",))
    asked: dict[str, Any] = {"subjects": [_subject(subject) for subject in schema.subjects]}
    if rules:
        asked["resourceRules"] = [_rule(rule) for rule in rules]
    if paths:
        asked["nonResourceRules"] = [{"verbs": [*verbs], "nonResourceURLs": [*paths]}]
    spec: dict[str, Any] = {"priorityLevelConfiguration": {"name": schema.level}, "rules": [asked]}
    if schema.flows:
        spec["distinguisherMethod"] = {"type": schema.flows}
    return spec | {"matchingPrecedence": schema.precedence}


def _subject(subject: Subject) -> dict[str, Any]:
    named = {"name": subject.name}
    if subject.kind == "ServiceAccount":
        return {"kind": subject.kind, "serviceAccount": named | {"namespace": "kube-system"}}
    return {"kind": subject.kind, subject.kind.lower(): named}


def _rule(rule: Rule) -> dict[str, Any]:
    found: dict[str, Any] = {"verbs": [*rule.verbs], "apiGroups": [rule.group], "resources": [*rule.resources]}
    return found | {"namespaces": ["*"], "clusterScope": rule.cluster_scope}
