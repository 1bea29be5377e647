"""Containers of every sort are held to the same rules, also those that are added to a running pod."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .conftest import MERGE

PLACE = "/api/v1/namespaces/default"
PODS = f"{PLACE}/pods"
FROM_SECRET = {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "others", "key": "k"}}}]}
WHOLE_SECRET = {"envFrom": [{"secretRef": {"name": "others"}}]}
OWN_SECRET = {"envFrom": [{"secretRef": {"name": "mine"}}]}


@pytest.fixture(scope="module")
def strict(special_server: Callable[..., Any]) -> Any:
    """A server with the ServiceAccount plugin and an account whose pods may use the secret `mine` only."""
    api = special_server("--disable-admission-plugins", "", "--enable-admission-plugins", "AlwaysPullImages")
    marked = {"name": "default", "annotations": {"kubernetes.io/enforce-mountable-secrets": "true"}}
    api.make(f"{PLACE}/serviceaccounts", {"metadata": marked, "secrets": [{"name": "mine"}]})
    return api


def pod(name: str, **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i"}], **more}}


def added(api: Any, name: str, **container: Any) -> Any:
    """Add an ephemeral container to a pod."""
    body = {"spec": {"ephemeralContainers": [{"name": "e", "image": "e", **container}]}}
    return api("PATCH", f"{PODS}/{name}/ephemeralcontainers", body, content_type=MERGE)


def test_cve_2023_2727_images_of_ephemeral_containers_are_admitted_too(strict: Any) -> None:
    """What is said of images holds for all of them: here, that they are always pulled with the pod's own rights."""
    strict.make(PODS, pod("pulled"))
    answer = added(strict, "pulled", imagePullPolicy="Never")
    assert answer.status == 200
    assert [c["imagePullPolicy"] for c in answer.body["spec"]["ephemeralContainers"]] == ["Always"]


@pytest.mark.parametrize("container", [FROM_SECRET, WHOLE_SECRET], ids=["key", "whole"])
def test_cve_2023_2728_ephemeral_containers_use_no_other_secrets(strict: Any, container: dict[str, Any]) -> None:
    name = f"later-{'envFrom' in container}".lower()
    strict.make(PODS, pod(name))
    answer = added(strict, name, **container)
    assert answer.status == 403
    assert "ephemeral container e with" in answer.body["message"]
    assert "does not reference that secret" in answer.body["message"]
    assert added(strict, name, **OWN_SECRET).status == 200


@pytest.mark.parametrize("kind", ["containers", "initContainers"])
def test_cve_2024_3177_whole_secrets_are_looked_at(strict: Any, kind: str) -> None:
    def using(name: str, source: dict[str, Any]) -> dict[str, Any]:
        body = pod(name)
        body["spec"].setdefault(kind, []).append({"name": "x", "image": "i", **source})
        return body

    answer = strict("POST", PODS, using("all", WHOLE_SECRET))
    assert answer.status == 403
    assert 'container x with envFrom referencing secret.secretName="others" is not allowed' in answer.body["message"]
    assert strict("POST", PODS, using(f"own-{kind.lower()}", OWN_SECRET)).status == 201


def test_cve_2023_2727_levels_hold_for_ephemeral_containers(api: Any) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "baseline"}
    api.make("/api/v1/namespaces", {"metadata": {"name": "held", "labels": labels}})
    path = "/api/v1/namespaces/held/pods"
    api.make(path, pod("p"))
    body = {"spec": {"ephemeralContainers": [{"name": "e", "image": "e", "securityContext": {"privileged": True}}]}}
    answer = api("PATCH", f"{path}/p/ephemeralcontainers", body, content_type=MERGE)
    assert answer.status == 403
    assert "violates PodSecurity" in answer.body["message"]
    body["spec"]["ephemeralContainers"][0]["securityContext"] = {"privileged": False}
    assert api("PATCH", f"{path}/p/ephemeralcontainers", body, content_type=MERGE).status == 200
