"""Webhooks that know tokens and permissions: real HTTPS servers, what they are asked, and how they fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from .parties import Answer, Authority, Party, eventually, running

ANN = {"username": "ann", "uid": "7", "groups": ["dev"], "extra": {"acme.io/desk": ["1"]}}
AUDIENCE = "https://kubernetes.default.svc.cluster.local"


def tokens(path: str, review: Any) -> Answer:
    """Knows `ann-secret`; `fails-secret` makes it fail, `for-others-secret` is for other audiences."""
    token = review["spec"]["token"]
    if token == "fails-secret":
        return 500, {}
    if token == "nonsense-secret":
        return 200, {"kind": "Pod"}
    status: dict[str, Any] = {"authenticated": token in ("ann-secret", "for-others-secret"), "user": ANN}
    status["audiences"] = ["others"] if token == "for-others-secret" else [AUDIENCE]
    return 200, {**review, "status": status}


def permissions(path: str, review: Any) -> Answer:
    """Allows to look at config maps, denies looking at secrets, and has nothing to say of the rest."""
    asked = review["spec"].get("resourceAttributes", {})
    if asked.get("namespace") == "broken":
        return 403, {}
    resource = asked.get("resource")
    status = {"allowed": resource == "configmaps", "denied": resource == "secrets", "reason": f"about {resource}"}
    return 200, {**review, "status": status}


def authorizers(kubeconfig: Path, closed: Path) -> str:
    webhook = {
        "timeout": "2s",
        "authorizedTTL": "1m",
        "unauthorizedTTL": "100ms",
        "subjectAccessReviewVersion": "v1",
        "matchConditionSubjectAccessReviewVersion": "v1",
        "failurePolicy": "NoOpinion",
        "connectionInfo": {"type": "KubeConfigFile", "kubeConfigFile": str(kubeconfig)},
        "matchConditions": [
            {"expression": "has(request.resourceAttributes)"},
            {"expression": "!('system:nodes' in request.groups) && request.user != 'nobody'"},
        ],
    }
    condition = "has(request.resourceAttributes) && request.resourceAttributes.namespace == 'closed'"
    strict = webhook | {
        "failurePolicy": "Deny",
        "connectionInfo": {"type": "KubeConfigFile", "kubeConfigFile": str(closed)},
        "matchConditions": [{"expression": condition}],
    }
    listed = [
        {"type": "Webhook", "name": "strict.acme.io", "webhook": strict},
        {"type": "Node", "name": "node"},
        {"type": "Webhook", "name": "ours.acme.io", "webhook": webhook},
        {"type": "RBAC", "name": "rbac"},
    ]
    kind = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthorizationConfiguration"}
    return json.dumps(kind | {"authorizers": listed})


@pytest.fixture(scope="module")
def world(special_server: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("webhooks")
    authority = Authority(folder, "webhooks")
    knows, may, down = (Party(authority, n, h) for n, h in (("knows", tokens), ("may", permissions), ("down", tokens)))
    with running(knows, may, down):
        down.stop()
        config = folder / "authorization.json"
        config.write_text(authorizers(may.kubeconfig(folder, "may", "/authorize"), down.kubeconfig(folder, "down")))
        api = special_server(
            *(
                "--authentication-token-webhook-config-file",
                str(knows.kubeconfig(folder, "knows", token="ours-secret")),
            ),
            *("--authentication-token-webhook-version", "v1", "--authorization-config", str(config)),
        )
        yield SimpleNamespace(api=api, knows=knows, may=may, folder=folder, config=config)


def get(world: Any, path: str, token: str = "ann-secret") -> Any:
    return world.api("GET", path, token=token)


def test_a_webhook_tells_whose_a_token_is_and_is_asked_once(world: Any) -> None:
    path, who = "/apis/authentication.k8s.io/v1/selfsubjectreviews", []
    for _ in range(3):
        who.append(world.api("POST", path, {}, token="ann-secret").body["status"]["userInfo"])
    assert who == [ANN | {"groups": ["dev", "system:authenticated"]}] * 3
    reviews = [one for one in world.knows.seen if one["spec"]["token"] == "ann-secret"]
    assert len(reviews) == 1
    assert reviews[0] | {"spec": None} == {
        "kind": "TokenReview",
        "apiVersion": "authentication.k8s.io/v1",
        "spec": None,
    }
    assert reviews[0]["spec"]["audiences"] == [AUDIENCE]


@pytest.mark.parametrize("token", ["unknown-secret", "for-others-secret", "nonsense-secret"])
def test_a_token_it_does_not_know_is_refused(world: Any, token: str) -> None:
    assert get(world, "/version", token).status == 401


def test_a_webhook_that_fails_is_tried_again_and_its_failure_is_not_kept(world: Any) -> None:
    before = len(world.knows.seen)
    assert get(world, "/version", "fails-secret").status == 401
    assert len(world.knows.seen) - before == 5


def test_a_large_body_is_taken_from_whom_a_webhook_knows(world: Any) -> None:
    """Who may send is asked before the body is read; a webhook may not have answered by then."""
    data = {"metadata": {"name": "big"}, "data": {"x": "y" * 100_000}}
    assert world.api("POST", "/api/v1/namespaces/default/configmaps", data, token="ann-secret").status == 201
    path, decided = "/api/v1/namespaces/default/configmaps", len(world.may.seen)
    assert world.api("POST", path, data, token="unknown-secret").status == 401
    assert world.api("POST", "/api/v1/namespaces/default/secrets", data, token="ann-secret").status == 403
    assert len(world.may.seen) == decided + 1


def test_a_webhook_allows_denies_or_leaves_it_to_the_next(world: Any) -> None:
    assert get(world, "/api/v1/namespaces/default/configmaps").status == 200
    denied = get(world, "/api/v1/namespaces/default/secrets")
    assert (denied.status, "about secrets" in denied.body["message"]) == (403, True)
    assert get(world, "/api/v1/namespaces/default/pods").status == 403
    assert get(world, "/apis").status == 200


def test_it_is_asked_what_upstream_asks(world: Any) -> None:
    get(world, "/api/v1/namespaces/asked/configmaps?fieldSelector=metadata.name%3Da&labelSelector=x%20in%20(y)")
    (review,) = [one for one in world.may.seen if one["spec"].get("resourceAttributes", {}).get("namespace") == "asked"]
    assert review == {
        "kind": "SubjectAccessReview",
        "apiVersion": "authorization.k8s.io/v1",
        "spec": {
            "user": "ann",
            "uid": "7",
            "groups": ["dev", "system:authenticated"],
            "extra": {"acme.io/desk": ["1"]},
            "resourceAttributes": {
                "namespace": "asked",
                "verb": "list",
                "version": "v1",
                "resource": "configmaps",
                "name": "a",
                "fieldSelector": {"requirements": [{"key": "metadata.name", "operator": "In", "values": ["a"]}]},
                "labelSelector": {"requirements": [{"key": "x", "operator": "In", "values": ["y"]}]},
            },
        },
    }


def test_answers_are_kept_and_conditions_spare_questions(world: Any) -> None:
    get(world, "/api/v1/namespaces/kept/configmaps")
    before = len(world.may.seen)
    get(world, "/api/v1/namespaces/kept/configmaps")
    assert world.api("GET", "/api/v1/namespaces/kept/configmaps", token="nobody-token").status == 403
    assert len(world.may.seen) == before


def test_what_happens_when_it_cannot_be_asked(world: Any) -> None:
    """NoOpinion leaves it to the next, Deny says no, even to whom RBAC would allow it; system:masters is not asked."""
    assert get(world, "/api/v1/namespaces/broken/configmaps").status == 403
    assert get(world, "/api/v1/namespaces/closed/configmaps").status == 403
    assert world.api("GET", "/api/v1/namespaces/closed/configmaps").status == 200


def test_reviews_ask_it_too(world: Any) -> None:
    asked = {"verb": "get", "resource": "secrets", "namespace": "n"}
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    status = world.api.make(path, {"spec": {"user": "eve", "resourceAttributes": asked}})["status"]
    assert status == {"allowed": False, "denied": True, "reason": "about secrets"}
    path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
    status = world.api("POST", path, {"spec": {"namespace": "n"}}, token="ann-secret").body["status"]
    assert status["incomplete"] is True
    assert "webhook authorizer does not support user rule resolution" in status["evaluationError"]


def test_impersonation_asks_it_too(world: Any) -> None:
    headers = {"Impersonate-User": "eve"}
    answer = world.api("GET", "/api/v1/namespaces/default/configmaps", token="ann-secret", headers=headers)
    assert (answer.status, "cannot impersonate:user-info resource" in answer.body["message"]) == (403, True)


def test_a_webhook_that_never_answers_is_given_up(world: Any) -> None:
    released = threading.Event()
    honest = world.may.handle
    world.may.handle = lambda path, review: (released.wait(30), honest(path, review))[1]
    try:
        assert get(world, "/api/v1/namespaces/slow/configmaps").status == 403
    finally:
        released.set()
        world.may.handle = honest
    assert "no answer within 2 s" in (Path(world.api.data) / "server.log").read_text()


def test_the_file_is_taken_up_when_it_changes(world: Any) -> None:
    document = json.loads(world.config.read_text())
    fixed = [one for one in document["authorizers"] if one["type"] != "Webhook"]
    log = Path(world.api.data) / "server.log"
    world.config.write_text(json.dumps(document | {"authorizers": fixed[:1]}))
    eventually(lambda: "RBAC cannot be added or removed while the server runs" in log.read_text())
    assert get(world, "/api/v1/namespaces/default/configmaps").status == 200
    world.config.write_text(json.dumps(document | {"authorizers": fixed}))
    eventually(lambda: get(world, "/api/v1/namespaces/default/configmaps").status == 403)
    metrics = world.api("GET", "/metrics").body
    for told in (
        'config_controller_automatic_reload_last_timestamp_seconds{apiserver_id_hash="sha256:',
        'webhook_evaluations_total{name="',
        'match_condition_exclusions_total{type="Webhook",name="',
        'match_condition_evaluation_seconds_count{type="Webhook",name="',
        'decisions_total{type="RBAC",name="rbac",decision="allowed"}',
    ):
        assert f"apiserver_authorization_{told}" in metrics
    for told in ('authentication_attempts{result="success"}', 'authenticated_user_requests{username="other"}'):
        assert told in metrics


def test_a_bad_file_ends_the_start_with_its_fields(world: Any, tmp_path: Path) -> None:
    webhook = {"timeout": "31s", "failurePolicy": "Maybe", "matchConditions": [{"expression": "request.nope"}]}
    listed = [{"type": "RBAC", "name": "a"}, {"type": "RBAC", "name": "b"}, {"type": "Webhook", "webhook": webhook}]
    kind = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthorizationConfiguration"}
    config = tmp_path / "bad.json"
    config.write_text(json.dumps(kind | {"authorizers": listed}))
    command = [sys.executable, "-m", "sampan", "apiserver", "--data-dir", str(tmp_path), "--port", "0"]
    done = subprocess.run(
        [*command, "--authorization-config", str(config)], capture_output=True, text=True, timeout=60, env=os.environ
    )
    assert done.returncode != 0
    for told in (
        'authorizers[1].type: Duplicate value: "RBAC"',
        "authorizers[2].name: Required value",
        'authorizers[2].webhook.timeout: Invalid value: "31s"',
        'authorizers[2].webhook.failurePolicy: Unsupported value: "Maybe"',
        "authorizers[2].webhook.subjectAccessReviewVersion: Required value",
        "authorizers[2].webhook.connectionInfo.type: Required value",
        "authorizers[2].webhook.matchConditions[0].expression: Invalid value",
    ):
        assert told in done.stderr
