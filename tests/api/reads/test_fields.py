"""Which fields objects can be selected by: upstream's, for every kind, and no others.

https://kubernetes.io/docs/concepts/overview/working-with-objects/field-selectors/#list-of-supported-fields, and for the
kinds that the page leaves out, upstream's conversion of field labels.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest

INVOLVED = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
NAMED = ("metadata.name",)
PLACED = ("metadata.name", "metadata.namespace")
SELECTABLE: dict[str, tuple[str, ...]] = {
    "api/v1/pods": (
        *PLACED,
        *(f"spec.{part}" for part in ("nodeName", "host", "restartPolicy", "schedulerName", "serviceAccountName")),
        *("spec.hostNetwork", "status.phase", "status.podIP", "status.podIPs", "status.nominatedNodeName"),
    ),
    "api/v1/events": (
        *PLACED,
        *(f"involvedObject.{part}" for part in INVOLVED),
        *("reason", "reportingComponent", "source", "type"),
    ),
    "apis/events.k8s.io/v1/events": (
        *PLACED,
        *(f"regarding.{part}" for part in INVOLVED),
        *("reason", "reportingController", "type"),
    ),
    "api/v1/secrets": (*PLACED, "type"),
    "api/v1/services": (*PLACED, "spec.clusterIP", "spec.type"),
    "api/v1/namespaces": (*NAMED, "status.phase"),
    "api/v1/nodes": (*NAMED, "spec.unschedulable"),
    "api/v1/replicationcontrollers": (*PLACED, "status.replicas"),
    "apis/apps/v1/replicasets": (*PLACED, "status.replicas"),
    "apis/batch/v1/jobs": (*PLACED, "status.successful"),
    "apis/certificates.k8s.io/v1/certificatesigningrequests": (*NAMED, "spec.signerName"),
    "apis/resource.k8s.io/v1/resourceslices": (*NAMED, "spec.nodeName", "spec.driver"),
}
EVERY = sorted({field for fields in SELECTABLE.values() for field in fields} | {"spec.replicas", "name", "status"})
CONTAINERS = [{"name": "c", "image": "i"}]
REFERENCE = {"kind": "Pod", "namespace": "{ns}", "name": "p", "uid": "u", "apiVersion": "v1", "fieldPath": "spec"}
OBJECTS: dict[str, Any] = {
    "api/v1/pods": {
        "spec": {
            "containers": CONTAINERS,
            "nodeName": "n",
            "restartPolicy": "Never",
            "schedulerName": "mine",
            "serviceAccountName": "sa",
            "hostNetwork": True,
        },
        "status": {"phase": "Running", "podIP": "10.0.0.9", "podIPs": [{"ip": "10.0.0.9"}], "nominatedNodeName": "m"},
    },
    "api/v1/events": {
        "involvedObject": REFERENCE | {"resourceVersion": "7"},
        "reason": "Because",
        "type": "Warning",
        "source": {"component": "me"},
    },
    "api/v1/secrets": {"type": "example.com/mine"},
    "api/v1/services": {"spec": {"type": "ExternalName", "externalName": "a.example.com"}},
}
VALUES: list[tuple[str, str, str]] = [
    ("api/v1/pods", "spec.nodeName", "n"),
    ("api/v1/pods", "spec.host", "n"),
    ("api/v1/pods", "spec.restartPolicy", "Never"),
    ("api/v1/pods", "spec.schedulerName", "mine"),
    ("api/v1/pods", "spec.serviceAccountName", "sa"),
    ("api/v1/pods", "spec.hostNetwork", "true"),
    ("api/v1/pods", "status.phase", "Running"),
    ("api/v1/pods", "status.podIP", "10.0.0.9"),
    ("api/v1/pods", "status.podIPs", "10.0.0.9"),
    ("api/v1/pods", "status.nominatedNodeName", "m"),
    *(("api/v1/events", f"involvedObject.{part}", str(value)) for part, value in REFERENCE.items()),
    ("api/v1/events", "involvedObject.resourceVersion", "7"),
    ("api/v1/events", "reason", "Because"),
    ("api/v1/events", "type", "Warning"),
    ("api/v1/events", "source", "me"),
    ("api/v1/secrets", "type", "example.com/mine"),
    ("api/v1/services", "spec.type", "ExternalName"),
]


@pytest.mark.parametrize("path", SELECTABLE)
def test_these_fields_and_no_others(api: Any, path: str) -> None:
    for field in EVERY:
        answer = api("GET", f"/{path}?fieldSelector={quote(field)}%3Dx")
        if field in SELECTABLE[path]:
            assert answer.status == 200, (field, answer.body)
            continue
        assert (answer.status, answer.body["reason"]) == (400, "BadRequest"), field
        assert field in answer.body["message"]


def test_all_other_kinds_have_name_and_namespace(api: Any) -> None:
    groups = api("GET", "/apis").body["groups"]
    versions = ["api/v1", *(f"apis/{group['preferredVersion']['groupVersion']}" for group in groups)]
    checked = 0
    for version in versions:
        for resource in api("GET", f"/{version}").body["resources"]:
            path = f"{version}/{resource['name']}"
            if "list" not in resource["verbs"] or "/" in resource["name"] or path in SELECTABLE:
                continue
            checked += 1
            assert api("GET", f"/{path}?fieldSelector=metadata.name%3Dx").status == 200, path
            for field in ("spec.nodeName", "status.phase"):
                known = path.endswith("podcertificaterequests") and field == "spec.nodeName"
                assert (api("GET", f"/{path}?fieldSelector={field}%3Dx").status == 400) is not known, path
    assert checked > 40


@pytest.fixture(scope="module")
def made(api: Any) -> str:
    """A namespace with one object of each kind that has all its selectable fields, and a plain one beside it."""
    api.make("/api/v1/namespaces", {"metadata": {"name": "fields"}})
    plain: dict[str, Any] = {
        "api/v1/pods": {"spec": {"containers": CONTAINERS}},
        "api/v1/events": {"involvedObject": {"namespace": "fields"}},
        "api/v1/services": {"spec": {"ports": [{"port": 80}]}},
    }
    for path, body in OBJECTS.items():
        collection = f"/{path.replace('v1/', 'v1/namespaces/fields/')}"
        if "involvedObject" in body:
            body = body | {"involvedObject": body["involvedObject"] | {"namespace": "fields"}}
        api.make(collection, {"metadata": {"name": "full"}, **body})
        api.make(collection, {"metadata": {"name": "plain"}, **plain.get(path, {})})
        if "status" in body:
            patch = {"status": body["status"]}
            answer = api("PATCH", f"{collection}/full/status", patch, content_type="application/merge-patch+json")
            assert answer.status == 200, answer.body
    return "fields"


@pytest.mark.parametrize(("path", "field", "value"), VALUES)
def test_what_a_field_selects(api: Any, made: str, path: str, field: str, value: str) -> None:
    collection = f"/{path.replace('v1/', f'v1/namespaces/{made}/')}"
    value = value.format(ns=made)

    def found(sign: str) -> list[str]:
        selector = quote(f"metadata.namespace={made},{field}{sign}{value}")
        return [item["metadata"]["name"] for item in api("GET", f"{collection}?fieldSelector={selector}").body["items"]]

    both = field == "involvedObject.namespace"
    assert found("=") == (["full", "plain"] if both else ["full"])
    assert found("!=") == ([] if both else ["plain"])


def test_watches_select_likewise(api: Any, made: str) -> None:
    def watch(case: tuple[str, str, str]) -> list[str]:
        path, field, value = case
        selector = quote(f"{field}={value.format(ns=made)}")
        collection = f"/{path.replace('v1/', f'v1/namespaces/{made}/')}"
        events = api.watch(f"{collection}?watch=true&timeoutSeconds=1&fieldSelector={selector}")
        return [event["object"]["metadata"]["name"] for event in events]

    with ThreadPoolExecutor(len(VALUES)) as pool:
        for case, seen in zip(VALUES, pool.map(watch, VALUES), strict=True):
            assert seen == (["full", "plain"] if case[1] == "involvedObject.namespace" else ["full"]), case
