"""What of an object may change."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest

from sampan.api import defaults, registry, strategy, validation

Document = dict[str, Any]
POD: Document = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p", "namespace": "n", "uid": "u"},
    "spec": {"containers": [{"name": "c", "image": "i:1"}], "tolerations": [{"key": "a", "operator": "Exists"}]},
}


def told(old: Document, new: Document, subresource: str = "") -> list[str]:
    """The first line of each violation."""
    kind = registry.builtin().kind(old["apiVersion"], old["kind"])
    before, after = (kind.decode(msgspec.json.encode(d)) for d in (old, new))
    for obj in (before, after):
        defaults.apply(kind, obj)
    strategy.prepare_update(kind, after, before, subresource, now=0.0)
    return [str(e).split("\n")[0] for e in validation.update(kind, after, before, subresource)]


def changed(document: Document, path: str, value: Any) -> Document:
    """A copy with one field set; `path` as in `spec.containers.0.image`."""
    made = copy.deepcopy(document)
    *parents, last = path.split(".")
    inner: Any = made
    for part in parents:
        inner = inner[int(part)] if part.isdigit() else inner.setdefault(part, {})
    inner[last] = value
    return made


def test_a_pod_s_image_may_change() -> None:
    assert told(POD, changed(POD, "spec.containers.0.image", "i:2")) == []


def test_a_pod_s_command_may_not() -> None:
    errors = told(POD, changed(POD, "spec.containers.0.command", ["x"]))
    assert len(errors) == 1
    assert errors[0].startswith(
        "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`"
    )


def test_tolerations_are_only_added() -> None:
    more = [*POD["spec"]["tolerations"], {"key": "b", "operator": "Exists"}]
    assert told(POD, changed(POD, "spec.tolerations", more)) == []
    assert told(POD, changed(POD, "spec.tolerations", [])) == [
        "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"
    ]


def test_containers_do_not_come_and_go() -> None:
    two = [*POD["spec"]["containers"], {"name": "d", "image": "i:1"}]
    assert told(POD, changed(POD, "spec.containers", two)) == [
        "spec.containers: Forbidden: pod updates may not add or remove containers"
    ]


def test_a_uid_never_changes() -> None:
    assert set(told(POD, changed(POD, "metadata.uid", "v"))) == {'metadata.uid: Invalid value: "v": field is immutable'}


def test_an_immutable_config_map() -> None:
    old = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "n"}, "immutable": True}
    assert told({**old, "data": {"a": "1"}}, {**old, "data": {"a": "2"}}) == [
        "data: Forbidden: field is immutable when `immutable` is set"
    ]


def test_a_stateful_set_keeps_its_claims() -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "serviceName": "s", "template": template}
    old = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "s", "namespace": "n"}, "spec": spec}
    errors = told(old, changed(old, "spec.serviceName", "t"))
    assert [e.split(" for fields")[0] for e in errors] == ["spec: Forbidden: updates to statefulset spec"]
    assert told(old, changed(old, "spec.replicas", 3)) == []


def test_the_status_endpoint_judges_the_status() -> None:
    spec = {"selector": {"a": "b"}, "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": []}}}
    meta = {"name": "r", "namespace": "n"}
    old = {"apiVersion": "v1", "kind": "ReplicationController", "metadata": meta, "spec": spec}
    assert told(old, {**old, "status": {"replicas": 1, "readyReplicas": 2}}, "status") == [
        "status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas"
    ]


def resized(path: str, value: Any, **pod: Any) -> list[str]:
    limits = {"requests": {"cpu": "1"}, "limits": {"cpu": "1"}}
    spec: Document = {
        "containers": [{"name": "c", "image": "i:1", "resources": limits}, {"name": "d", "image": "i:1"}],
        "initContainers": [{"name": "s", "image": "i:1", "restartPolicy": "Always"}, {"name": "i", "image": "i:1"}],
        **pod,
    }
    old = {**POD, "spec": spec}
    return told(old, changed(old, path, value), "resize")


def test_what_a_resize_may_not_do() -> None:
    removed = "spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed"
    assert resized("spec.containers.0.resources", {"requests": {"cpu": "2"}, "limits": {"cpu": "2"}}) == []
    assert removed in resized("spec.containers.0.resources", {"requests": {"cpu": "1"}})
    assert resized("spec.containers.1.resources", {"limits": {"example.com/gpu": "1"}}) == [
        "spec: Forbidden: only cpu and memory resources are mutable"
    ]
    assert resized("spec.initContainers.0.resources", {"requests": {"cpu": "1"}}) == []
    assert resized("spec.initContainers.1.resources", {"requests": {"cpu": "1"}}) == [
        "spec: Forbidden: resources for non-sidecar init containers are immutable"
    ]
    assert resized("spec.containers.1.name", "other") == [
        "spec.containers: Forbidden: containers may not be renamed or reordered on resize"
    ]
    assert resized("spec.containers", [{"name": "c", "image": "i:1"}]) == [
        "spec.containers: Forbidden: containers may not be added or removed on resize"
    ]
    assert resized("spec.containers.0.resources", {}, os={"name": "windows"}) == [
        ": Forbidden: windows pods cannot be resized"
    ]


def test_a_gated_pod_may_be_narrowed() -> None:
    def term(*keys: str) -> Document:
        expressions = [{"key": key, "operator": "Exists"} for key in keys]
        required = {"nodeSelectorTerms": [{"matchExpressions": expressions}]}
        return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}

    spec = {**POD["spec"], "schedulingGates": [{"name": "g"}], "nodeSelector": {"a": "b"}, "affinity": term("a")}
    gated = {**POD, "spec": spec}
    path = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"
    assert told(gated, changed(gated, "spec.nodeSelector.c", "d")) == []
    assert told(gated, changed(gated, "spec.affinity", term("a", "b"))) == []
    assert told(gated, changed(gated, "spec.nodeSelector", {})) == [
        "spec.nodeSelector: Invalid value: {}: only additions to spec.nodeSelector are allowed "
        "(no mutations or deletions)"
    ]
    (wrong,) = told(gated, changed(gated, "spec.affinity", term("b")))
    assert wrong.startswith(f"{path}[0]: ")
    assert wrong.endswith("only additions are allowed (no mutations or deletions)")
    (wrong,) = told(gated, changed(gated, "spec.affinity", {}))
    assert wrong.endswith("no additions/deletions to non-empty NodeSelectorTerms list are allowed")


def test_what_a_kubelet_may_not_say() -> None:
    def ended(code: int) -> Document:
        return {"name": "c", "ready": False, "state": {"terminated": {"exitCode": code}}}

    def status(**fields: Any) -> Document:
        return {**POD, "spec": {**POD["spec"], "restartPolicy": "OnFailure"}, "status": fields}

    running = [{"name": "c", "ready": True, "state": {"running": {}}}]
    old = status(qosClass="Burstable", containerStatuses=[ended(0)])
    assert told(status(containerStatuses=[ended(1)]), status(containerStatuses=running), "status") == []
    assert told(old, status(qosClass="Guaranteed", containerStatuses=running), "status") == [
        'status.qosClass: Invalid value: "Guaranteed": field is immutable',
        "status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state",
    ]
    new = status(
        conditions=[{"type": "no condition", "status": "True"}],
        nominatedNodeName="A",
        podIPs=[{"ip": "10.0.0.1"}, {"ip": "10.0.0.1"}],
        resourceClaimStatuses=[{"name": "x"}],
    )
    fields = [text.partition(": ")[0] for text in told(status(), new, "status")]
    assert fields == [
        "metadata.conditions[0].Type",
        "status.nominatedNodeName",
        "status.resourceClaimStatuses[0].name",
        "status.podIPs[1]",
        "status.podIPs",
    ]


def ingress(*, host: str = "*.x.io", path: str = "/", secret: str = "s") -> Document:
    backend = {"service": {"name": "s", "port": {"number": 80}}}
    paths = [{"path": path, "pathType": "Prefix", "backend": backend}]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "i", "namespace": "n", "uid": "u"},
        "spec": {"rules": [{"host": host, "http": {"paths": paths}}], "tls": [{"secretName": secret}]},
    }


def autoscaler(
    *, least: int = 1, version: str = "apps/v1", kind: str = "Deployment", described: str = "v1"
) -> Document:
    metric = {
        "describedObject": {"apiVersion": described, "kind": "Service", "name": "s"},
        "metric": {"name": "m"},
        "target": {"type": "Value", "value": "1"},
    }
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "a", "namespace": "n", "uid": "u"},
        "spec": {
            "minReplicas": least,
            "maxReplicas": 3,
            "scaleTargetRef": {"apiVersion": version, "kind": kind, "name": "d"},
            "metrics": [{"type": "Object", "object": metric}],
        },
    }


def service_cidr(*cidrs: str) -> Document:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "ServiceCIDR",
        "metadata": {"name": "c", "uid": "u"},
        "spec": {"cidrs": list(cidrs)},
    }


ABSOLUTE = 'spec.rules[0].http.paths[0].path: Invalid value: "no": must be an absolute path'
NO_GROUP = 'spec.scaleTargetRef.apiVersion: Invalid value: "v1": apiVersion must specify API group'
KEPT_OR_NOT = {
    "a wrong wildcard rule may stay": (ingress(path="no"), ingress(path="no"), []),
    "and may not come": (ingress(), ingress(path="no"), [ABSOLUTE]),
    "nor stay elsewhere": (ingress(path="no"), ingress(host="x.io", path="no"), [ABSOLUTE]),
    "a wrong secret's name may stay": (ingress(secret="No_Name"), ingress(secret="No_Name"), []),
    "no replicas stay where there were none": (autoscaler(least=0), autoscaler(least=0), []),
    "and not come either": (
        autoscaler(),
        autoscaler(least=0),
        ["spec.minReplicas: Invalid value: 0: must be greater than or equal to 1"],
    ),
    "a target without group may stay": (autoscaler(version="v1"), autoscaler(version="v1"), []),
    "and not come": (autoscaler(), autoscaler(version="v1"), [NO_GROUP]),
    "nor be another kind's": (autoscaler(version="v1", kind="X"), autoscaler(version="v1"), [NO_GROUP]),
    "an odd version of an object may stay": (autoscaler(described="a/b/c"), autoscaler(described="d/e/f"), []),
    "a second family may be added": (service_cidr("10.0.0.0/24"), service_cidr("10.0.0.0/24", "fd00::/64"), []),
    "one may not be taken away": (
        service_cidr("10.0.0.0/24", "fd00::/64"),
        service_cidr("10.0.0.0/24"),
        ['spec.cidrs: Invalid value: ["10.0.0.0/24"]: field is immutable'],
    ),
    "nor two be added": (
        service_cidr("10.0.0.0/24"),
        service_cidr("10.0.0.0/24", "fd00::/64", "fd01::/64"),
        ['spec.cidrs: Invalid value: ["10.0.0.0/24","fd00::/64","fd01::/64"]: field is immutable'],
    ),
}


@pytest.mark.parametrize(("old", "new", "expected"), KEPT_OR_NOT.values(), ids=list(KEPT_OR_NOT))
def test_what_was_wrong_before_may_stay(old: Document, new: Document, expected: list[str]) -> None:
    assert told(old, new) == expected
