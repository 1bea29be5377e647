"""The FlowSchemas and PriorityLevelConfigurations of every cluster, as upstream makes them at start.

They are kept up to date while their annotation says so; the mandatory ones always are. Requests are not yet held to
them: what bounds the server's work is in `heavy` and in the listener.
https://kubernetes.io/docs/concepts/cluster-administration/flow-control/#defaults
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from sampan.aio.clock import timestamp
from sampan.api.errors import Conflict, NotFound
from sampan.api.kinds import flowcontrol_v1
from sampan.apiserver import stored
from sampan.apiserver.verbs.change import change
from sampan.codec import apply as codec

if TYPE_CHECKING:
    from sampan.apiserver.bootstrap.objects import Bootstrap
    from sampan.apiserver.server import ApiServer

PRODUCER = "api-priority-and-fairness-config-producer-v1"
CONSUMER = "api-priority-and-fairness-config-consumer-v1"
AUTOMATIC = "apf.kubernetes.io/autoupdate-spec"
MANDATORY = frozenset({"exempt", "catch-all"})
EVERY = ["*"]
ELECTION = ["get", "create", "update"]


class Level(NamedTuple):
    """A limited level: its shares, what of them may be lent, and its queues, their hands and lengths; none: refused."""

    shares: int
    lendable: int
    queues: tuple[int, int, int] | None


LEVELS = {
    "catch-all": Level(5, 0, None),
    "system": Level(30, 33, (64, 6, 50)),
    "node-high": Level(40, 25, (64, 6, 50)),
    "leader-election": Level(10, 0, (16, 4, 50)),
    "workload-high": Level(40, 50, (128, 6, 50)),
    "workload-low": Level(100, 90, (128, 6, 50)),
    "global-default": Level(20, 50, (128, 6, 50)),
}


def groups(*names: str) -> list[Any]:
    return [{"kind": "Group", "group": {"name": name}} for name in names]


def users(*names: str) -> list[Any]:
    return [{"kind": "User", "user": {"name": name}} for name in names]


def accounts(*names: str) -> list[Any]:
    """Of namespace kube-system."""
    return [{"kind": "ServiceAccount", "serviceAccount": {"namespace": "kube-system", "name": name}} for name in names]


def resources(verbs: list[str], group: str, names: list[str], *, namespaces: Any = EVERY, cluster: bool = False) -> Any:
    rule = {"verbs": verbs, "apiGroups": [group], "resources": names, "namespaces": namespaces}
    return rule | ({"clusterScope": True} if cluster else {})


EVERYTHING: dict[str, Any] = {
    "resourceRules": [resources(EVERY, "*", EVERY, cluster=True)],
    "nonResourceRules": [{"verbs": EVERY, "nonResourceURLs": EVERY}],
}
LEASES = resources(ELECTION, "coordination.k8s.io", ["leases"])
LOCKS = ["endpoints", "configmaps"]
ANYBODY = groups("system:unauthenticated", "system:authenticated")
MANAGER, SCHEDULER = users("system:kube-controller-manager"), users("system:kube-scheduler")


class Flow(NamedTuple):
    """A schema: its level, precedence and distinguisher, whose requests it is for, and which of them."""

    level: str
    precedence: int
    distinguisher: str
    subjects: list[Any]
    rules: dict[str, Any]


FLOWS = {
    "exempt": Flow("exempt", 1, "", groups("system:masters"), EVERYTHING),
    "probes": Flow(
        "exempt",
        2,
        "",
        ANYBODY,
        {"nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/healthz", "/readyz", "/livez"]}]},
    ),
    "system-leader-election": Flow(
        "leader-election",
        100,
        "ByUser",
        MANAGER + SCHEDULER + accounts("*"),
        {"resourceRules": [resources(ELECTION, "", LOCKS, namespaces=["kube-system"]), LEASES]},
    ),
    "endpoint-controller": Flow(
        "workload-high",
        150,
        "ByUser",
        MANAGER + accounts("endpoint-controller", "endpointslicemirroring-controller"),
        {"resourceRules": [resources(ELECTION, "", ["endpoints"])]},
    ),
    "workload-leader-election": Flow(
        "leader-election",
        200,
        "ByUser",
        accounts("*"),
        {"resourceRules": [resources(ELECTION, "", LOCKS), LEASES]},
    ),
    "system-node-high": Flow(
        "node-high",
        400,
        "ByUser",
        groups("system:nodes"),
        {
            "resourceRules": [
                resources(EVERY, "", ["nodes", "nodes/status"], cluster=True),
                resources(EVERY, "coordination.k8s.io", ["leases"]),
            ]
        },
    ),
    "system-nodes": Flow("system", 500, "ByUser", groups("system:nodes"), EVERYTHING),
    "kube-controller-manager": Flow("workload-high", 800, "ByNamespace", MANAGER, EVERYTHING),
    "kube-scheduler": Flow("workload-high", 800, "ByNamespace", SCHEDULER, EVERYTHING),
    "kube-system-service-accounts": Flow("workload-high", 900, "ByNamespace", accounts("*"), EVERYTHING),
    "service-accounts": Flow("workload-low", 9000, "ByUser", groups("system:serviceaccounts"), EVERYTHING),
    "global-default": Flow("global-default", 9900, "ByUser", ANYBODY, EVERYTHING),
    "catch-all": Flow("catch-all", 10000, "ByUser", ANYBODY, EVERYTHING),
}


def level(name: str, spec: Level | None) -> Any:
    """`spec` None: requests of this level are never held up."""
    if spec is None:
        return _made("PriorityLevelConfiguration", name, {"type": "Exempt", "exempt": {}})
    response: dict[str, Any] = {"type": "Reject"}
    if spec.queues is not None:
        queues, hand, length = spec.queues
        response = {"type": "Queue", "queuing": {"queues": queues, "handSize": hand, "queueLengthLimit": length}}
    limited = {"nominalConcurrencyShares": spec.shares, "lendablePercent": spec.lendable, "limitResponse": response}
    return _made("PriorityLevelConfiguration", name, {"type": "Limited", "limited": limited})


def flow(name: str, spec: Flow) -> Any:
    made: dict[str, Any] = {
        "priorityLevelConfiguration": {"name": spec.level},
        "matchingPrecedence": spec.precedence,
        "rules": [{"subjects": spec.subjects, **spec.rules}],
    }
    if spec.distinguisher:
        made["distinguisherMethod"] = {"type": spec.distinguisher}
    return _made("FlowSchema", name, made)


async def ensure_flow_control(server: ApiServer, bootstrap: Bootstrap) -> None:
    """All of them, a few groups of writes."""
    levels = {"exempt": None, **LEVELS}
    await asyncio.gather(*(_ensure(server, bootstrap, level(name, spec)) for name, spec in levels.items()))
    flows = [flow(name, spec) for name, spec in FLOWS.items()]
    await asyncio.gather(*(_ensure(server, bootstrap, one) for one in flows))
    await asyncio.gather(*(_found(server, bootstrap, one) for one in flows))


def _made(kind: str, name: str, spec: Any) -> Any:
    metadata = {"name": name, "annotations": {AUTOMATIC: "true"}}
    return msgspec.convert({"metadata": metadata, "spec": spec}, getattr(flowcontrol_v1, kind))


async def _ensure(server: ApiServer, bootstrap: Bootstrap, wanted: Any) -> None:
    request = bootstrap.request(wanted, manager=PRODUCER)
    entry = server.resource(request.kind).get(None, wanted.metadata.name)
    if entry is None:
        await bootstrap.ensure(wanted, manager=PRODUCER)
        return
    bootstrap.complete(wanted)
    if not _differs(stored.from_bytes(request.kind, entry.data), wanted):
        return
    request.target.verb, request.target.name = "update", wanted.metadata.name
    try:
        await change(request, lambda old, _: _brought_up(old, wanted))
    except (Conflict, NotFound):
        # Another API server, or the administrator, was at it at the same time.
        return


def _differs(present: Any, wanted: Any) -> bool:
    """Whether it is ours to bring up to date, and has to be."""
    automatic = (present.metadata.annotations or {}).get(AUTOMATIC) == "true"
    if wanted.metadata.name in MANDATORY:
        return present.spec != wanted.spec or not automatic
    return automatic and present.spec != wanted.spec


def _brought_up(present: Any, wanted: Any) -> Any:
    present.spec = wanted.spec
    present.metadata.annotations = {**(present.metadata.annotations or {}), AUTOMATIC: "true"}
    return present


async def _found(server: ApiServer, bootstrap: Bootstrap, wanted: Any) -> None:
    """Tells of a schema that its level is there."""
    request = bootstrap.request(wanted, manager=CONSUMER)
    target = request.target
    target.verb, target.name, target.subresource = "patch", wanted.metadata.name, "status"
    entry = server.resource(request.kind).get(None, wanted.metadata.name)
    if entry is None or b'"Dangling"' in entry.data:
        return
    now = server.clock.now()
    status = _status(wanted, timestamp(now))

    def apply(old: Any, _: object) -> Any:
        return codec.apply(request.kind, old, status, manager=CONSUMER, now=now, force=True, subresource="status")

    try:
        await change(request, apply, applied=True)
    except (Conflict, NotFound):
        return


def _status(wanted: Any, now: str) -> dict[str, Any]:
    name = wanted.spec.priorityLevelConfiguration.name
    condition = {
        "type": "Dangling",
        "status": "False",
        "lastTransitionTime": now,
        "reason": "Found",
        "message": f'This FlowSchema references the PriorityLevelConfiguration object named "{name}" and it exists',
    }
    metadata = {"name": wanted.metadata.name}
    kind = {"apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "FlowSchema"}
    return {**kind, "metadata": metadata, "status": {"conditions": [condition]}}
