"""A pod's own identity: the token the kubelet mounts is known to the API server, and dies with the pod."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from typing import Any

from .harness import Cluster, until
from .manifests import script

REVIEWS = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


def who(cluster: Cluster, token: str) -> Any:
    """The user a token makes one, None when it is refused."""
    context = ssl.create_default_context(cafile=str(cluster.data_dir / "pki" / "ca.crt"))
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"https://127.0.0.1:{cluster.port}{REVIEWS}", b"{}", headers)
    try:
        with urllib.request.urlopen(request, context=context, timeout=10) as answer:
            return json.load(answer)["status"]["userInfo"]["username"]
    except urllib.error.HTTPError as error:
        return None if error.code == 401 else error.code


def test_a_pod_has_a_token_that_works_and_dies_with_it(cluster: Cluster, namespace: str) -> None:
    cluster.apply(script("own", "sleep 300"))
    cluster.kubectl("wait", "--for=condition=Ready", "pod/own", "--timeout=60s")
    uid = cluster.get("pod", "own")["metadata"]["uid"]
    (folder,) = (cluster.data_dir / "kubelet" / "pods" / uid / "volumes" / "kubernetes.io~projected").iterdir()
    token = (folder / "token").read_text()
    assert (folder / "namespace").read_text() == namespace
    assert "BEGIN CERTIFICATE" in (folder / "ca.crt").read_text()
    assert who(cluster, token) == f"system:serviceaccount:{namespace}:default"
    cluster.kubectl("delete", "pod", "own", "--grace-period=1")
    until(lambda: who(cluster, token) is None, "the token is refused")
