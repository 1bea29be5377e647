"""ImagePolicyWebhook against a webhook that runs: what it says holds for every container, however it comes in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ..auth.parties import Authority, Party
from .conftest import MERGE

PODS = "/api/v1/namespaces/default/pods"


def judge(path: str, review: Any) -> tuple[int, Any]:
    """Lets `good...` run, says nothing of the rest but of `sick`, for which it fails."""
    images = [one["image"] for one in review["spec"]["containers"]]
    if "sick" in images:
        return 500, {}
    good = all(image.startswith("good") for image in images)
    status = {"allowed": good, "reason": "" if good or "quiet" in images else "only good images"}
    return 200, {**review, "status": status}


@pytest.fixture(scope="module")
def webhook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Party]:
    folder = tmp_path_factory.mktemp("images")
    party = Party(Authority(folder, "images"), "server", judge)
    yield party
    party.stop()


@pytest.fixture(scope="module")
def judged(special_server: Callable[..., Any], webhook: Party, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tmp_path_factory.mktemp("configuration")
    kubeconfig = webhook.kubeconfig(folder, "images", "/review", token="ours")
    policy = {"kubeConfigFile": str(kubeconfig), "retryBackoff": 1}
    plugin = {"name": "ImagePolicyWebhook", "configuration": {"imagePolicy": policy}}
    body = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AdmissionConfiguration", "plugins": [plugin]}
    file = folder / "admission.json"
    file.write_text(json.dumps(body))
    enable = ("--enable-admission-plugins", "ImagePolicyWebhook")
    return special_server(*enable, "--admission-control-config-file", str(file))


def pod(name: str, *images: str, **annotations: str) -> dict[str, Any]:
    containers = [{"name": f"c{n}", "image": image} for n, image in enumerate(images)]
    named = {key.replace("__", "/").replace("_", "."): value for key, value in annotations.items()}
    return {"metadata": {"name": name, "annotations": named}, "spec": {"containers": containers}}


def test_what_the_webhook_says_holds(judged: Any, webhook: Party) -> None:
    notes = {"team_image-policy_k8s_io__ticket": "7", "other_example__x": "y"}
    assert judged("POST", PODS, pod("a", "good:1", **notes)).status == 201
    spec = webhook.seen[-1]["spec"]
    assert spec == {
        "containers": [{"image": "good:1"}],
        "annotations": {"team.image-policy.k8s.io/ticket": "7"},
        "namespace": "default",
    }
    answer = judged("POST", PODS, pod("b", "good:1", "bad"))
    assert (answer.status, answer.body["message"]) == (
        403,
        'pods "b" is forbidden: image policy webhook backend denied one or more images: only good images',
    )
    assert "one or more images rejected by webhook backend" in judged("POST", PODS, pod("b", "quiet")).body["message"]
    asked = len(webhook.seen)
    assert judged("POST", PODS, pod("c", "good:1", **notes)).status == 201
    assert len(webhook.seen) == asked, "an answer is kept for its time"


def test_cve_2023_2727_the_webhook_sees_ephemeral_containers(judged: Any) -> None:
    assert judged("POST", PODS, pod("d", "good:1")).status == 201
    path = f"{PODS}/d/ephemeralcontainers"
    for image, status in (("bad", 403), ("good:debug", 200)):
        body = {"spec": {"ephemeralContainers": [{"name": "e", "image": image}]}}
        assert judged("PATCH", path, body, content_type=MERGE).status == status
    image = {"spec": {"containers": [{"name": "c0", "image": "bad"}]}}
    assert judged("PATCH", f"{PODS}/d", image, content_type="application/strategic-merge-patch+json").status == 403


def test_a_webhook_that_fails_lets_nothing_through(judged: Any, webhook: Party) -> None:
    answer = judged("POST", PODS, pod("e", "sick"))
    assert answer.status == 403
    assert "HTTP 500" in answer.body["message"]
    webhook.stop()
    assert judged("POST", PODS, pod("e", "good:2")).status == 403
    webhook.start()
    assert judged("POST", PODS, pod("e", "good:2")).status == 201
