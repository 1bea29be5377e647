"""Creating, reading, changing: what upstream's API reference says of objects in general."""

from __future__ import annotations

import re
from typing import Any

import pytest

UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def pod(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i:1"}], **spec}}


def maps(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps"


def test_server_fills_in_identity(api: Any, namespace: str) -> None:
    made = api.make(maps(namespace), config_map("a", k="v"))
    meta = made["metadata"]
    assert UID.fullmatch(meta["uid"])
    assert meta["namespace"] == namespace
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", meta["creationTimestamp"])
    assert int(meta["resourceVersion"]) > 0
    assert made == api("GET", maps(namespace) + "/a").body


def test_generated_names_begin_as_asked(api: Any, namespace: str) -> None:
    made = [api.make(maps(namespace), {"metadata": {"generateName": "gen-"}}) for _ in range(20)]
    names = {m["metadata"]["name"] for m in made}
    assert len(names) == 20
    assert all(re.fullmatch(r"gen-[bcdfghjklmnpqrstvwxz2456789]{5}", name) for name in names)


def test_names_are_unique(api: Any, namespace: str) -> None:
    api.make(maps(namespace), config_map("a"))
    again = api("POST", maps(namespace), config_map("a"))
    assert (again.status, again.body["reason"]) == (409, "AlreadyExists")
    assert again.body["message"] == 'configmaps "a" already exists'


def test_absent_objects(api: Any, namespace: str) -> None:
    answer = api("GET", maps(namespace) + "/nope")
    assert answer.status == 404
    assert answer.body == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'configmaps "nope" not found',
        "reason": "NotFound",
        "details": {"name": "nope", "kind": "configmaps"},
        "code": 404,
    }


def test_dry_run_changes_nothing(api: Any, namespace: str) -> None:
    made = api("POST", maps(namespace) + "?dryRun=All", config_map("dry"))
    assert made.status == 201
    assert "resourceVersion" not in made.body["metadata"]
    assert api("GET", maps(namespace) + "/dry").status == 404
    bad = api("POST", maps(namespace) + "?dryRun=Some", config_map("dry"))
    assert (bad.status, bad.body["reason"]) == (422, "Invalid")


def test_update_needs_the_version_it_names(api: Any, namespace: str) -> None:
    first = api.make(maps(namespace), config_map("a", k="1"))
    first["data"]["k"] = "2"
    second = api("PUT", maps(namespace) + "/a", first)
    assert second.status == 200
    stale = api("PUT", maps(namespace) + "/a", first)
    assert (stale.status, stale.body["reason"]) == (409, "Conflict")
    assert stale.body["message"].endswith(
        "the object has been modified; please apply your changes to the latest version and try again"
    )
    without = api("PUT", maps(namespace) + "/a", config_map("a", k="3"))
    assert without.status == 200


def test_update_that_changes_nothing_is_not_written(api: Any, namespace: str) -> None:
    first = api.make(maps(namespace), config_map("a", k="1"))
    again = api("PUT", maps(namespace) + "/a", first)
    assert again.body["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


def test_name_and_namespace_must_fit_the_url(api: Any, namespace: str) -> None:
    api.make(maps(namespace), config_map("a"))
    assert api("PUT", maps(namespace) + "/a", config_map("b")).status == 400
    elsewhere = config_map("c") | {"metadata": {"name": "c", "namespace": "elsewhere"}}
    assert api("POST", maps(namespace), elsewhere).status == 400
    absent = api("POST", maps("no-such-namespace"), config_map("a"))
    assert (absent.status, absent.body["message"]) == (404, 'namespaces "no-such-namespace" not found')


def test_generation_counts_changes_of_the_specification(api: Any, namespace: str) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod("x")["spec"]}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    made = api.make(path, {"metadata": {"name": "d"}, "spec": spec})
    assert made["metadata"]["generation"] == 1

    def patched(body: Any) -> int:
        answer = api("PATCH", path + "/d", body, content_type="application/merge-patch+json")
        assert answer.status == 200, answer.body
        return int(answer.body["metadata"]["generation"])

    assert patched({"metadata": {"labels": {"x": "y"}}}) == 1
    assert patched({"spec": {"replicas": 3}}) == 2


def test_status_endpoint_touches_only_the_status(api: Any, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods"
    api.make(path, pod("p"))
    change = {"spec": {"nodeName": "elsewhere"}, "status": {"phase": "Running"}}
    answer = api("PATCH", path + "/p/status", change, content_type="application/merge-patch+json")
    assert answer.status == 200
    assert answer.body["status"]["phase"] == "Running"
    assert "nodeName" not in answer.body["spec"]
    back = api("PATCH", path + "/p", {"status": {"phase": "Failed"}}, content_type="application/merge-patch+json")
    assert back.body["status"]["phase"] == "Running"


@pytest.mark.parametrize("strictness, status", [("Strict", 400), ("Warn", 201), ("Ignore", 201)])
def test_field_validation(api: Any, namespace: str, strictness: str, status: int) -> None:
    body = b'{"metadata":{"name":"x","bogus":1},"data":{"a":"1","a":"2"}}'
    answer = api("POST", f"{maps(namespace)}?fieldValidation={strictness}", body)
    assert answer.status == status
    told = ['299 - "unknown field \\"metadata.bogus\\""', '299 - "duplicate field \\"data.a\\""']
    assert answer.warnings == (told if strictness == "Warn" else [])
    if strictness == "Strict":
        assert answer.body["message"].endswith(
            'strict decoding error: unknown field "metadata.bogus", duplicate field "data.a"'
        )


def test_yaml_in_and_out(api: Any, namespace: str) -> None:
    body = b"metadata:\n  name: written\ndata:\n  k: 'true'\n"
    made = api("POST", maps(namespace), body, content_type="application/yaml", accept="application/yaml")
    assert made.status == 201
    assert made.headers["content-type"] == "application/yaml"
    assert 'k: "true"' in made.body


def test_forms_that_are_not_served(api: Any, namespace: str) -> None:
    assert api("GET", maps(namespace), accept="application/xml").status == 406
    assert api("POST", maps(namespace), b"<a/>", content_type="application/xml").status == 415


def test_body_limit(api: Any, namespace: str) -> None:
    answer = api("POST", maps(namespace), config_map("big", k="x" * (3 * 1024 * 1024)))
    assert (answer.status, answer.body["reason"]) == (413, "RequestEntityTooLarge")


def test_several_versions_show_one_object(api: Any, namespace: str) -> None:
    path = "/apis/autoscaling/{}/namespaces/" + namespace + "/horizontalpodautoscalers"
    spec = {
        "scaleTargetRef": {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"},
        "maxReplicas": 3,
        "targetCPUUtilizationPercentage": 50,
    }
    api.make(path.format("v1"), {"metadata": {"name": "h"}, "spec": spec})
    second = api("GET", path.format("v2") + "/h").body
    assert second["apiVersion"] == "autoscaling/v2"
    assert second["spec"]["metrics"][0]["resource"]["target"] == {"type": "Utilization", "averageUtilization": 50}
    assert api("GET", path.format("v1") + "/h").body["spec"]["targetCPUUtilizationPercentage"] == 50
