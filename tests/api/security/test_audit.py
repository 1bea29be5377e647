"""The audit log: who did what, at the level that the policy says, and what becomes of the file."""

from __future__ import annotations

import json
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

MAPS = "/api/v1/namespaces/default/configmaps"
SECRETS = "/api/v1/namespaces/default/secrets"
POLICY = """
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: None, nonResourceURLs: ["/readyz*", /metrics]}
- {level: None, users: [nobody], verbs: [list]}
- level: Metadata
  resources: [{group: "", resources: [secrets, serviceaccounts/token]}]
- level: RequestResponse
  omitManagedFields: true
  resources: [{group: "", resources: [configmaps, pods]}, {group: apps}]
- level: Request
  omitStages: []
  userGroups: ["system:authenticated", "system:masters"]
- {level: Metadata}
"""


@pytest.fixture(scope="module")
def world(special_server: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("audit")
    policy, log = folder / "policy.yaml", folder / "logs" / "audit.log"
    policy.write_text(POLICY)
    api = special_server(
        *("--audit-policy-file", str(policy), "--audit-log-path", str(log)),
        *("--audit-log-maxsize", "1", "--audit-log-maxbackup", "2", "--audit-log-compress"),
    )
    yield SimpleNamespace(api=api, log=log)


def events(world: Any, identity: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines(world, identity)]


def lines(world: Any, identity: str) -> list[str]:
    return [line for line in world.log.read_text().splitlines() if f'"auditID":"{identity}"' in line]


def event(world: Any, method: str, path: str, body: Any = None, **more: Any) -> dict[str, Any]:
    """The one event of a request."""
    identity = f"id-{time.monotonic_ns()}"
    headers = {"Audit-ID": identity, **more.pop("headers", {})}
    world.api(method, path, body, headers=headers, **more)
    [found] = events(world, identity)
    return found


def test_who_did_what_is_told_and_whether_they_might(world: Any) -> None:
    told = event(world, "POST", SECRETS, {"metadata": {"name": "s"}, "stringData": {"password": "hidden"}})
    assert told["requestReceivedTimestamp"] <= told["stageTimestamp"]
    for varying in ("requestReceivedTimestamp", "stageTimestamp", "auditID"):
        told.pop(varying)
    assert told == {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "stage": "ResponseComplete",
        "requestURI": SECRETS,
        "verb": "create",
        "user": {"username": "admin", "uid": "1", "groups": ["system:masters", "system:authenticated"]},
        "sourceIPs": ["127.0.0.1"],
        "userAgent": "tests/1",
        "objectRef": {"resource": "secrets", "namespace": "default", "name": "s", "apiVersion": "v1"},
        "responseStatus": {"metadata": {}, "code": 201},
        "annotations": {"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": ""},
    }


def test_nothing_secret_is_told_at_level_metadata(world: Any) -> None:
    world.api.make("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "told"}})
    told = event(world, "POST", "/api/v1/namespaces/default/serviceaccounts/told/token", {"spec": {}})
    assert told["annotations"]["authentication.kubernetes.io/issued-credential-id"].startswith("JTI=")
    made = event(world, "POST", SECRETS, {"metadata": {"name": "quiet"}, "stringData": {"password": "hidden"}})
    changed = event(world, "PUT", f"{SECRETS}/quiet", {"metadata": {"name": "quiet"}, "stringData": {"p": "hidden"}})
    gone = event(world, "DELETE", f"{SECRETS}/quiet")
    for one in (told, made, changed, gone):
        assert one["level"] == "Metadata"
        assert {"requestObject", "responseObject"}.isdisjoint(one)
    text = world.log.read_text()
    assert "hidden" not in text and "aGlkZGVu" not in text
    assert "eyJhbGciOi" not in text
    assert "admin-token" not in text


def test_the_object_and_the_answer_are_told_at_the_highest_level(world: Any) -> None:
    told = event(world, "POST", MAPS, {"metadata": {"generateName": "m-"}, "data": {"a": "b"}})
    assert (told["level"], told["requestObject"]["data"]) == ("RequestResponse", {"a": "b"})
    assert told["requestObject"]["kind"] == "ConfigMap"
    assert "uid" not in told["requestObject"]["metadata"]
    made = told["responseObject"]["metadata"]
    assert made["name"].startswith("m-")
    assert "managedFields" not in made
    patch = {"data": {"c": "d"}}
    merge = "application/merge-patch+json"
    changed = event(world, "PATCH", f"{MAPS}/{made['name']}", patch, content_type=merge)
    assert changed["requestObject"] == patch
    assert changed["responseObject"]["data"] == {"a": "b", "c": "d"}
    listed = event(world, "GET", MAPS)
    assert "requestObject" not in listed
    assert all("managedFields" not in one["metadata"] for one in listed["responseObject"]["items"])
    yaml = event(world, "POST", MAPS, b"metadata: {name: by-yaml}", content_type="application/yaml")
    assert yaml["requestObject"]["metadata"]["name"] == "by-yaml"


def test_what_fails_is_told_with_the_reason(world: Any) -> None:
    missing = event(world, "GET", f"{SECRETS}/nope")["responseStatus"]
    assert (missing["code"], missing["reason"], missing["message"]) == (404, "NotFound", 'secrets "nope" not found')
    refused = event(world, "GET", f"{SECRETS}/s", token="nobody-token")
    assert refused["responseStatus"]["code"] == 403
    assert refused["annotations"] == {
        "authorization.k8s.io/decision": "forbid",
        "authorization.k8s.io/reason": "",
    }
    for more, why in (({"token": "wrong"}, "attempted: bearer"), ({"token": None}, "no credentials provided")):
        unknown = event(world, "GET", SECRETS, **more)
        assert (unknown["user"], unknown["stage"]) == ({}, "ResponseStarted")
        assert unknown["responseStatus"] == {
            "metadata": {},
            "code": 401,
            "message": f"Authentication failed, {why}",
        }


def test_a_large_body_is_told_of_once(world: Any) -> None:
    told = event(world, "POST", MAPS, {"metadata": {"name": "large"}, "data": {"x": "y" * 200_000}})
    assert len(told["requestObject"]["data"]["x"]) == 200_000
    assert event(world, "POST", MAPS, b"{" + b" " * 100_000, token="wrong")["responseStatus"]["code"] == 401


def test_who_speaks_for_somebody_is_told_with_them(world: Any) -> None:
    told = event(world, "GET", SECRETS, headers={"Impersonate-User": "ann", "Impersonate-Group": "dev"})
    assert told["user"]["username"] == "admin"
    assert told["impersonatedUser"] == {"username": "ann", "groups": ["dev", "system:authenticated"]}
    assert told["annotations"]["authorization.k8s.io/decision"] == "forbid"


def test_a_watch_is_told_when_it_begins_and_when_it_ends(world: Any) -> None:
    world.api("GET", "/api/v1/namespaces/default/events?watch=1&timeoutSeconds=1", headers={"Audit-ID": "watch"})
    assert [one["stage"] for one in events(world, "watch")] == ["ResponseStarted", "ResponseComplete"]
    with world.api.connection() as connection:
        headers = {"Authorization": "Bearer admin-token", "Audit-ID": "gone"}
        connection.request("GET", "/api/v1/namespaces/default/events?watch=1", headers=headers)
        connection.sock.recv(100)
    deadline = time.monotonic() + 10
    while len(events(world, "gone")) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [one["stage"] for one in events(world, "gone")] == ["ResponseStarted", "ResponseComplete"]


def test_what_the_policy_leaves_out_is_not_told(world: Any) -> None:
    for path, token in (("/readyz", "admin-token"), ("/metrics", "admin-token"), (MAPS, "nobody-token")):
        world.api("GET", path, token=token, headers={"Audit-ID": "left-out"})
    assert events(world, "left-out") == []
    assert event(world, "GET", f"{MAPS}/x", token="nobody-token")["level"] == "RequestResponse"


def test_no_client_forges_an_event(world: Any) -> None:
    before = len(world.log.read_text().splitlines())
    told = event(
        world,
        "GET",
        "/api/v1/namespaces/%0A%7B/secrets",
        headers={"User-Agent": 'x"} {"', "X-Forwarded-For": "me, 192.0.2.1"},
    )
    assert told["userAgent"] == 'x"} {"'
    assert told["sourceIPs"] == ["192.0.2.1", "127.0.0.1"]
    assert len(world.log.read_text().splitlines()) == before + 1
    assert len(event(world, "GET", SECRETS, headers={"User-Agent": "x" * 5000})["userAgent"]) == 1024


def test_no_depth_of_an_object_keeps_its_request_from_an_answer(world: Any) -> None:
    """An event holds what is just not nested too deeply in a level more."""
    path, answers = "/apis/apps/v1/namespaces/default/controllerrevisions", set()
    for depth in (*range(940, 1000, 2), 977):
        data = b'{"a":' * depth + b"1" + b"}" * depth
        body = b'{"metadata":{"generateName":"deep-"},"revision":1,"data":' + data + b"}"
        headers = {"Authorization": "Bearer admin-token", "Audit-ID": f"deep-{depth}"}
        with world.api.connection() as connection:
            connection.request("POST", path, body, headers)
            answers.add(connection.getresponse().status)
        [*_, told] = lines(world, f"deep-{depth}")
        assert '"stage":"ResponseComplete"' in told
    assert answers == {201, 400}


def test_pod_security_is_told(world: Any) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "baseline", "pod-security.kubernetes.io/audit": "restricted"}
    world.api.make("/api/v1/namespaces", {"metadata": {"name": "secured", "labels": labels}})
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    annotations = event(world, "POST", "/api/v1/namespaces/secured/pods", pod)["annotations"]
    assert annotations["pod-security.kubernetes.io/enforce-policy"] == "baseline:latest"
    found = annotations["pod-security.kubernetes.io/audit-violations"]
    assert found.startswith('would violate PodSecurity "restricted:latest": allowPrivilegeEscalation != false')


def test_the_file_is_private_and_put_aside_when_it_is_large(world: Any) -> None:
    data = {"x": "y" * 400_000}
    for number in range(8):
        event(world, "POST", MAPS, {"metadata": {"name": f"fill-{number}"}, "data": data})
    deadline = time.monotonic() + 20

    def aside() -> list[Path]:
        return sorted(path for path in world.log.parent.iterdir() if path != world.log)

    while [path.suffix for path in aside()] != [".gz", ".gz"] and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [path.suffix for path in aside()] == [".gz", ".gz"]
    assert world.log.stat().st_size <= 1 << 20
    assert {stat.S_IMODE(path.stat().st_mode) for path in (*aside(), world.log)} == {0o600}


def test_events_are_counted(world: Any) -> None:
    event(world, "GET", f"{SECRETS}/counted")
    metrics = world.api("GET", "/metrics").body
    assert 'apiserver_audit_level_total{level="Metadata"}' in metrics
    assert "apiserver_audit_event_total " in metrics
    assert "apiserver_audit_requests_rejected_total 0" in metrics
