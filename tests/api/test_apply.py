"""Server-side apply over the wire, sentence by sentence as its page has it.

https://kubernetes.io/docs/reference/using-api/server-side-apply/
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import Answer, Api

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
Apply = Callable[..., Answer]


@pytest.fixture
def deployments(namespace: str) -> str:
    return f"/apis/apps/v1/namespaces/{namespace}/deployments"


@pytest.fixture
def apply(api: Api, deployments: str) -> Apply:
    """Applies a configuration of the deployment `d`, as a manager; `container`: its fields beside the name."""

    def apply(manager: str, query: str = "", container: Any = None, metadata: Any = None, **spec: Any) -> Answer:
        if container is not None:
            spec["template"] = {
                "metadata": {"labels": {"app": "x"}},
                "spec": {"containers": [{"name": "c", **container}]},
            }
            spec["selector"] = {"matchLabels": {"app": "x"}}
        config = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", **(metadata or {})}}
        body = json.dumps({**config, "spec": spec} if spec else config).encode()
        return api("PATCH", f"{deployments}/d?fieldManager={manager}{query}", body, content_type=APPLY)

    return apply


def owners(obj: Any) -> dict[str, Any]:
    """Who owns what: `manager operation [subresource]` -> fields."""
    entries = obj["metadata"].get("managedFields", [])
    return {
        " ".join(filter(None, (e["manager"], e["operation"], e.get("subresource")))): e["fieldsV1"] for e in entries
    }


def test_an_absent_object_is_created(apply: Apply) -> None:
    first = apply("a", container={"image": "i:1"}, replicas=2)
    assert (first.status, first.body["spec"]["replicas"]) == (201, 2)
    assert list(owners(first.body)) == ["a Apply"]
    assert apply("a", container={"image": "i:1"}, replicas=2).status == 200


def test_another_identity_or_version_is_a_conflict(api: Api, deployments: str, apply: Apply) -> None:
    absent = apply("a", container={"image": "i:1"}, metadata={"uid": "u"})
    assert (absent.status, absent.body["reason"]) == (409, "Conflict")
    assert "uid mismatch: the provided object specified uid u" in absent.body["message"]
    assert api("GET", f"{deployments}/d").status == 404
    made = apply("a", container={"image": "i:1"}).body["metadata"]["resourceVersion"]
    assert apply("a", container={"image": "i:2"}, metadata={"resourceVersion": made}).status == 200
    late = apply("a", container={"image": "i:3"}, metadata={"resourceVersion": made})
    assert (late.status, late.body["reason"]) == (409, "Conflict")


def test_conflicts_name_who_owns_what(api: Api, deployments: str, apply: Apply) -> None:
    apply("a", container={"image": "i:1"}, replicas=2)
    api("PATCH", f"{deployments}/d?fieldManager=u", {"spec": {"minReadySeconds": 5}}, content_type=MERGE)
    answer = apply("b", container={"image": "i:2"}, replicas=3, minReadySeconds=6)
    assert answer.status == 409
    assert answer.body["reason"] == "Conflict"
    assert answer.body["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "a"', "field": ".spec.replicas"},
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "a"',
            "field": '.spec.template.spec.containers[name="c"].image',
        },
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "u" using apps/v1',
            "field": ".spec.minReadySeconds",
        },
    ]
    assert answer.body["message"] == (
        "Apply failed with 3 conflicts: "
        'conflicts with "a":\n- .spec.replicas\n- .spec.template.spec.containers[name="c"].image\n'
        'conflicts with "u" using apps/v1:\n- .spec.minReadySeconds'
    )
    forced = apply("b", "&force=true", container={"image": "i:2"}, replicas=3, minReadySeconds=6)
    assert forced.body["spec"]["replicas"] == 3
    assert "u Update" not in owners(forced.body)
    assert "f:replicas" not in owners(forced.body)["a Apply"]["f:spec"]


def test_the_same_value_is_shared(apply: Apply) -> None:
    apply("a", container={"image": "i:1"}, replicas=2)
    shared = apply("b", replicas=2)
    assert shared.status == 200
    assert owners(shared.body)["b Apply"] == {"f:spec": {"f:replicas": {}}}
    assert "f:replicas" in owners(shared.body)["a Apply"]["f:spec"]
    left = apply("a", container={"image": "i:1"})
    assert left.body["spec"]["replicas"] == 2
    alone = apply("b", metadata={"labels": {"x": "y"}})
    assert alone.body["spec"]["replicas"] == 1  # nobody says how many: the default


def test_what_nobody_states_any_longer_goes(apply: Apply) -> None:
    env = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    apply("a", container={"image": "i:1", "env": env}, metadata={"annotations": {"k": "v"}})
    after = apply("a", container={"image": "i:1", "env": env[:1]})
    assert after.body["spec"]["template"]["spec"]["containers"][0]["env"] == env[:1]
    assert "k" not in after.body["metadata"].get("annotations", {})


def test_elements_of_keyed_lists_have_owners_of_their_own(apply: Apply) -> None:
    apply("a", container={"image": "i:1", "ports": [{"containerPort": 80}]})
    other = apply("b", container={"ports": [{"containerPort": 80, "protocol": "UDP"}]})
    assert other.status == 200
    ports = other.body["spec"]["template"]["spec"]["containers"][0]["ports"]
    assert [(p["containerPort"], p["protocol"]) for p in ports] == [(80, "TCP"), (80, "UDP")]
    gone = apply("b", metadata={"labels": {"x": "y"}})
    assert len(gone.body["spec"]["template"]["spec"]["containers"][0]["ports"]) == 1


def test_sets_are_joined_and_atoms_are_replaced(apply: Apply) -> None:
    apply("a", container={"image": "i:1", "command": ["x"]}, metadata={"finalizers": ["example.com/a"]})
    joined = apply("b", metadata={"finalizers": ["example.com/b"]})
    assert sorted(joined.body["metadata"]["finalizers"]) == ["example.com/a", "example.com/b"]
    replaced = apply("b", "&force=true", container={"command": ["y"]})
    assert replaced.body["spec"]["template"]["spec"]["containers"][0]["command"] == ["y"]
    assert replaced.body["metadata"]["finalizers"] == ["example.com/a"]


def test_a_configuration_says_nothing_of_owners(apply: Apply) -> None:
    refused = apply("a", metadata={"managedFields": [{"manager": "x", "operation": "Apply"}]})
    assert (refused.status, refused.body["message"]) == (400, "metadata.managedFields must be nil")


def test_owners_can_be_forgotten(api: Api, deployments: str, apply: Apply) -> None:
    apply("a", container={"image": "i:1"})
    reset = api("PATCH", f"{deployments}/d", {"metadata": {"managedFields": [{}]}}, content_type=MERGE)
    assert "managedFields" not in reset.body["metadata"]
    again = apply("b", replicas=4)
    assert (again.status, again.body["reason"]) == (409, "Conflict")
    assert 'conflict with "before-first-apply"' in again.body["message"]


def test_a_manager_must_be_named(api: Api, deployments: str) -> None:
    body = json.dumps({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}}).encode()
    answer = api("PATCH", f"{deployments}/d", body, content_type=APPLY)
    assert answer.status == 422
    assert answer.body["details"]["causes"][0]["message"] == "Required value: is required for apply patch"


def test_the_status_is_owned_through_its_own_endpoint(api: Api, deployments: str, apply: Apply) -> None:
    apply("a", container={"image": "i:1"})
    status = {"replicas": 1, "conditions": [{"type": "Available", "status": "True"}]}
    config = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "status": status}
    through = api("PATCH", f"{deployments}/d?fieldManager=k", json.dumps(config).encode(), content_type=APPLY)
    assert "k Apply" not in owners(through.body)
    own = api("PATCH", f"{deployments}/d/status?fieldManager=k", json.dumps(config).encode(), content_type=APPLY)
    assert own.body["status"]["replicas"] == 1
    assert owners(own.body)["k Apply status"] == {
        "f:status": {
            "f:conditions": {'k:{"type":"Available"}': {".": {}, "f:status": {}, "f:type": {}}},
            "f:replicas": {},
        }
    }


def test_scaling_takes_the_replicas(api: Api, deployments: str, apply: Apply) -> None:
    apply("a", container={"image": "i:1"}, replicas=2)
    api("PATCH", f"{deployments}/d/scale?fieldManager=s", {"spec": {"replicas": 7}}, content_type=MERGE)
    found = api("GET", f"{deployments}/d").body
    assert owners(found)["s Update scale"] == {"f:spec": {"f:replicas": {}}}
    assert "f:replicas" not in owners(found)["a Apply"]["f:spec"]
    conflict = apply("a", container={"image": "i:1"}, replicas=2)
    assert (
        conflict.body["details"]["causes"][0]["message"] == 'conflict with "s" with subresource "scale" using apps/v1'
    )


def test_a_dry_run_says_what_would_be(api: Api, deployments: str, apply: Apply) -> None:
    apply("a", container={"image": "i:1"}, replicas=2)
    assert apply("a", "&dryRun=All", container={"image": "i:2"}).body["spec"]["replicas"] == 1
    assert apply("b", "&dryRun=All", replicas=3).status == 409
    assert api("GET", f"{deployments}/d").body["spec"]["replicas"] == 2


def test_ownership_is_of_fields_in_the_version_they_were_stated_in(api: Api, namespace: str) -> None:
    def path(version: str) -> str:
        return f"/apis/autoscaling/{version}/namespaces/{namespace}/horizontalpodautoscalers/h"

    def sent(version: str, **spec: Any) -> bytes:
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}
        kind = {"apiVersion": f"autoscaling/{version}", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h"}}
        return json.dumps({**kind, "spec": {"scaleTargetRef": target, "maxReplicas": 5, **spec}}).encode()

    old = sent("v1", targetCPUUtilizationPercentage=50)
    made = api("PATCH", f"{path('v1')}?fieldManager=a", old, content_type=APPLY)
    assert made.status == 201
    (entry,) = made.body["metadata"]["managedFields"]
    assert entry["apiVersion"] == "autoscaling/v1"
    metric = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
    }
    conflict = api("PATCH", f"{path('v2')}?fieldManager=b", sent("v2", metrics=[metric]), content_type=APPLY)
    assert [c["field"] for c in conflict.body["details"]["causes"]] == [".spec.targetCPUUtilizationPercentage"]
    taken = api("PATCH", f"{path('v2')}?fieldManager=a", sent("v2", metrics=[metric]), content_type=APPLY)
    assert taken.status == 200
    (entry,) = taken.body["metadata"]["managedFields"]
    assert entry["apiVersion"] == "autoscaling/v2"
    assert api("GET", path("v1")).body["spec"]["targetCPUUtilizationPercentage"] == 80


def test_kubectl_moves_from_its_own_apply_to_the_server_s(api: Api, namespace: str) -> None:
    def text(**data: str) -> str:
        metadata = {"name": "c", "namespace": namespace}
        return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})

    api.kubectl("apply", "-f", "-", stdin=text(a="1", b="2"))
    path = f"/api/v1/namespaces/{namespace}/configmaps/c"
    before = api("GET", path).body
    assert list(owners(before)) == ["kubectl-client-side-apply Update"]
    api.kubectl("apply", "--server-side", "-f", "-", stdin=text(a="3"))
    after = api("GET", path).body
    assert after["data"] == {"a": "3"}
    last = json.loads(after["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"])
    assert last["data"] == {"a": "3"}
    api.kubectl("apply", "-f", "-", stdin=text(c="4"))
    assert api("GET", path).body["data"] == {"c": "4"}
