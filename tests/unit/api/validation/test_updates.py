"""What of an object may change."""

from __future__ import annotations

import copy
from typing import Any

import msgspec

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
