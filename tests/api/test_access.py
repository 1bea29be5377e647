"""Who may ask: certificates, tokens, nobody; and how the server answers about itself."""

from __future__ import annotations

import http.client
import json
import ssl
from pathlib import Path
from typing import Any

import pytest

from sampan.aio.clock import SystemClock
from sampan.cluster.authority import Authority, Identity

NOBODY = "nobody-token"


@pytest.mark.parametrize("path", ["/readyz", "/livez", "/healthz", "/readyz/ping"])
def test_health_is_for_everybody(api: Any, path: str) -> None:
    answer = api("GET", path, token=None)
    assert (answer.status, answer.body) == (200, "ok")


def test_verbose_health(api: Any) -> None:
    body = api("GET", "/readyz?verbose", token=None).body
    assert "[+]etcd ok" in body
    assert body.endswith("readyz check passed\n")


@pytest.mark.parametrize("path", ["/api/v1/pods", "/version", "/metrics", "/apis", "/"])
def test_nothing_else_is(api: Any, path: str) -> None:
    answer = api("GET", path, token=None)
    assert (answer.status, answer.body["message"]) == (401, "Unauthorized")


def test_a_wrong_token_is_refused(api: Any) -> None:
    assert api("GET", "/api/v1/pods", token="wrong").status == 401
    assert api("GET", "/readyz", token="wrong").status == 401


def test_what_nobody_allows_is_forbidden(api: Any, namespace: str) -> None:
    answer = api("GET", f"/api/v1/namespaces/{namespace}/pods", token=NOBODY)
    assert (answer.status, answer.body["reason"]) == (403, "Forbidden")
    assert answer.body["message"] == (
        f'pods is forbidden: User "nobody" cannot list resource "pods" in API group "" in the namespace "{namespace}"'
    )
    cluster = api("DELETE", "/api/v1/nodes/n1", token=NOBODY).body["message"]
    assert cluster == (
        'nodes "n1" is forbidden: User "nobody" cannot delete resource "nodes" in API group "" at the cluster scope'
    )
    assert api("GET", "/metrics", token=NOBODY).body["message"] == 'forbidden: User "nobody" cannot get path "/metrics"'
    assert api("GET", "/apis", token=NOBODY).status == 200


def with_certificate(api: Any, identity: Identity, path: str) -> tuple[int, Any]:
    authority = Authority(Path(api.data) / "pki", SystemClock())
    certificate, key = authority.ensure(identity)
    context = ssl.create_default_context(cafile=str(authority.certificate_file))
    context.load_cert_chain(certificate, key)
    connection = http.client.HTTPSConnection("127.0.0.1", api.port, context=context)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, json.loads(body)


def test_client_certificates_name_user_and_groups(api: Any) -> None:
    admin = Identity(file="t-admin", user="alice", groups=("system:masters",))
    assert with_certificate(api, admin, "/api/v1/nodes")[0] == 200
    scheduler = Identity(file="t-scheduler", user="system:kube-scheduler")
    assert with_certificate(api, scheduler, "/api/v1/nodes")[0] == 200
    node = Identity(file="t-node", user="system:node:n1", groups=("system:nodes",))
    assert with_certificate(api, node, "/api/v1/nodes/n1")[0] == 404
    # Whoever lays routes and guards pods is another than the node, which reads its own alone (KEP-4601).
    assert with_certificate(api, node, "/api/v1/nodes/n2")[0] == 403
    assert with_certificate(api, node, "/api/v1/secrets")[0] == 403
    assert with_certificate(api, node, "/api/v1/configmaps")[0] == 403
    impostor = Identity(file="t-impostor", user="system:node:n1")
    assert with_certificate(api, impostor, "/api/v1/nodes")[0] == 403
    status, body = with_certificate(api, Identity(file="t-bob", user="bob", groups=("devs",)), "/api/v1/nodes")
    assert (status, 'User "bob"' in body["message"]) == (403, True)


def test_reviews(api: Any) -> None:
    own = api.make("/apis/authentication.k8s.io/v1/selfsubjectreviews", {})
    assert own["status"]["userInfo"]["username"] == "admin"
    reviews = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    asked = {"verb": "get", "resource": "pods"}
    assert api.make(reviews, {"spec": {"user": "eve", "resourceAttributes": asked}})["status"] == {"allowed": False}
    masters = {"spec": {"groups": ["system:masters"], "resourceAttributes": asked}}
    assert api.make(reviews, masters)["status"] == {"allowed": True}
    token = api.make("/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {"token": NOBODY}})["status"]
    assert (token["authenticated"], token["user"]["username"]) == (True, "nobody")


def test_version(api: Any) -> None:
    version = api("GET", "/version").body
    assert (version["major"], version["minor"]) == ("1", "36")
    assert version["gitVersion"].startswith("v1.36.0+sampan")


@pytest.mark.parametrize(
    "method, path, status",
    [
        ("GET", "/apis/no.such/v1/things", 404),
        ("GET", "/api/v1/things", 404),
        ("GET", "/apis/apps/v9/deployments", 404),
        ("GET", "/api/v1/namespaces/default/nodes", 404),
        ("GET", "/api/v1/pods/name", 404),
        ("POST", "/api/v1/pods", 405),
        ("PUT", "/api/v1/namespaces/default/pods", 405),
        ("OPTIONS", "/api/v1/namespaces/default/pods", 405),
        ("POST", "/api/v1/componentstatuses", 405),
        ("GET", "/api/v1/namespaces/..%2f..%2fsecrets/pods/x", 404),
    ],
)
def test_paths_that_lead_nowhere(api: Any, method: str, path: str, status: int) -> None:
    assert api(method, path, {} if method in ("POST", "PUT") else None).status == status
