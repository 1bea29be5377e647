"""Service accounts' tokens beyond the everyday: rotated keys, several issuers, audiences, binding, secrets."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from .parties import pem

OWN, OLD = "https://kubernetes.default.svc.cluster.local", "https://old.example"
REVIEW = "/apis/authentication.k8s.io/v1/tokenreviews"
NAMESPACE = "/api/v1/namespaces/default"
ACCOUNT = f"{NAMESPACE}/serviceaccounts/bot"


def public(key: Any) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return bytes(key.public_key().public_bytes(serialization.Encoding.PEM, form))


@pytest.fixture(scope="module")
def world(special_server: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A server in the middle of a rotation: it signs with one key, and believes three."""
    folder = tmp_path_factory.mktemp("accounts")
    now, before = (
        ec.generate_private_key(ec.SECP256R1()),
        rsa.generate_private_key(public_exponent=65537, key_size=2048),
    )
    further = ec.generate_private_key(ec.SECP384R1())
    (folder / "now.key").write_bytes(pem(now))
    (folder / "keys.pub").write_bytes(public(now) + public(before))
    (folder / "further.pub").write_bytes(public(further))
    api = special_server(
        *("--service-account-signing-key-file", str(folder / "now.key"), "--service-account-issuer", OWN),
        *("--service-account-issuer", OLD, "--service-account-key-file", str(folder / "keys.pub")),
        *("--service-account-key-file", str(folder / "further.pub"), "--api-audiences", f"{OWN},api"),
        *("--service-account-max-token-expiration", "2h", "--service-account-jwks-uri", "https://keys.example/jwks"),
    )
    account = api.make(f"{NAMESPACE}/serviceaccounts", {"metadata": {"name": "bot"}})
    return SimpleNamespace(api=api, uid=account["metadata"]["uid"], now=now, before=before, further=further)


def token(world: Any, key: Any, algorithm: str, **claims: Any) -> str:
    """A bound token as a server of the same cluster would have made it."""
    moment = int(time.time())
    bound = {"namespace": "default", "serviceaccount": {"name": "bot", "uid": world.uid}}
    said = {"iss": OWN, "aud": ["api"], "iat": moment, "nbf": moment, "exp": moment + 600, "jti": "j"}
    said |= {"sub": "system:serviceaccount:default:bot", "kubernetes.io": bound}
    return jwt.encode(said | claims, key, algorithm=algorithm)


def review(world: Any, shown: str, *audiences: str) -> Any:
    spec = {"token": shown} | ({"audiences": list(audiences)} if audiences else {})
    return world.api.make(REVIEW, {"spec": spec})["status"]


def request(world: Any, **spec: Any) -> Any:
    return world.api("POST", f"{ACCOUNT}/token", {"spec": spec})


def claims_of(shown: str) -> Any:
    return jwt.decode(shown, options={"verify_signature": False})


def test_every_key_and_issuer_is_believed(world: Any) -> None:
    for key, algorithm in ((world.now, "ES256"), (world.before, "RS256"), (world.further, "ES384")):
        for issuer in (OWN, OLD):
            assert review(world, token(world, key, algorithm, iss=issuer))["authenticated"] is True


def test_nobody_else_is(world: Any) -> None:
    stranger = ec.generate_private_key(ec.SECP256R1())
    for wrong in (
        token(world, stranger, "ES256"),
        token(world, world.before, "PS256"),
        token(world, world.now, "ES256", iss="https://elsewhere.example"),
        token(world, world.now, "ES256", aud=["elsewhere"]),
        token(world, world.now, "ES256", aud="api"),
        token(world, world.now, "ES256", **{"kubernetes.io": {"namespace": "default"}}),
    ):
        status = review(world, wrong)
        assert (status.get("authenticated"), status["error"]) == (None, "invalid bearer token")


def test_clocks_may_differ_by_a_minute(world: Any) -> None:
    now = int(time.time())
    for claims, good in (
        ({"exp": now - 30}, True),
        ({"exp": now - 90}, False),
        ({"nbf": now + 30, "iat": now + 30}, True),
        ({"nbf": now + 90}, False),
        ({"iat": now + 90}, False),
    ):
        assert ("authenticated" in review(world, token(world, world.now, "ES256", **claims))) is good


def test_reviews_tell_the_audiences_asked_for(world: Any) -> None:
    shown = request(world, audiences=["api", "vault"]).body["status"]["token"]
    assert review(world, shown)["audiences"] == ["api"]
    assert review(world, shown, "vault", "other")["audiences"] == ["vault"]
    assert "authenticated" not in review(world, shown, "other")
    assert review(world, "admin-token")["audiences"] == [OWN, "api"]
    assert "authenticated" not in review(world, "admin-token", "vault")


def test_without_audiences_a_token_is_for_the_server(world: Any) -> None:
    answer = request(world)
    assert answer.body["spec"]["audiences"] == [OWN, "api"]
    assert claims_of(answer.body["status"]["token"])["iss"] == OWN


def test_no_token_lasts_longer_than_allowed(world: Any) -> None:
    answer = request(world, expirationSeconds=100_000)
    assert answer.body["spec"]["expirationSeconds"] == 7200
    assert answer.warnings == ['299 - "requested expiration of 100000 seconds shortened to 7200 seconds"']
    said = claims_of(answer.body["status"]["token"])
    assert said["exp"] - said["iat"] == 7200


def pod(world: Any, name: str, **spec: Any) -> Any:
    """A pod of the account's, and how a token is bound to it."""
    containers = [{"name": "c", "image": "i"}]
    made = world.api.make(
        f"{NAMESPACE}/pods",
        {"metadata": {"name": name}, "spec": {"serviceAccountName": "bot", "containers": containers, **spec}},
    )
    return made, {"kind": "Pod", "apiVersion": "v1", "name": name, "uid": made["metadata"]["uid"]}


def test_a_pods_own_token_outlives_its_hour(world: Any) -> None:
    """Of the very duration that the admission plugin asks for, and for this server alone."""
    _, reference = pod(world, "usual")
    answer = request(world, expirationSeconds=3607, boundObjectRef=reference).body
    said = claims_of(answer["status"]["token"])
    assert said["exp"] - said["iat"] == 365 * 24 * 3600
    assert said["kubernetes.io"]["warnafter"] == said["iat"] + 3607
    other = request(world, expirationSeconds=3607, boundObjectRef=reference, audiences=["vault"]).body
    said = claims_of(other["status"]["token"])
    assert said["exp"] - said["iat"] == 3607
    assert "warnafter" not in said["kubernetes.io"]


def test_a_pods_token_names_its_node(world: Any) -> None:
    node = world.api.make("/api/v1/nodes", {"metadata": {"name": "n1"}})
    _, reference = pod(world, "placed", nodeName="n1")
    shown = request(world, boundObjectRef=reference).body["status"]["token"]
    assert claims_of(shown)["kubernetes.io"]["node"] == {"name": "n1", "uid": node["metadata"]["uid"]}
    extra = review(world, shown)["user"]["extra"]
    assert extra["authentication.kubernetes.io/node-name"] == ["n1"]
    world.api("DELETE", "/api/v1/nodes/n1")
    assert "authenticated" in review(world, shown), "a pod's token goes with the pod, not with the node"


def test_a_token_dies_with_what_it_is_bound_to(world: Any) -> None:
    for plural, path, body in (
        ("Node", "/api/v1/nodes", {"metadata": {"name": "bound"}}),
        ("Secret", f"{NAMESPACE}/secrets", {"metadata": {"name": "bound"}}),
    ):
        world.api.make(path, body)
        reference = {"kind": plural, "apiVersion": "v1", "name": "bound"}
        shown = request(world, boundObjectRef=reference).body["status"]["token"]
        assert "authenticated" in review(world, shown)
        world.api("DELETE", f"{path}/bound")
        assert "authenticated" not in review(world, shown)
        world.api.make(path, body)
        assert "authenticated" not in review(world, shown), "another of the same name is not the same"


def test_bad_bindings_are_refused(world: Any) -> None:
    _, reference = pod(world, "right")
    conflict = request(world, boundObjectRef=reference | {"uid": "other"})
    assert (conflict.status, "does not match the UID in record" in conflict.body["message"]) == (409, True)
    assert request(world, boundObjectRef=reference | {"kind": "ConfigMap"}).status == 400


def legacy(world: Any, name: str, **claims: str) -> str:
    """A token as the token controller of old made them, in its secret."""
    prefix = "kubernetes.io/serviceaccount/"
    said = {
        "iss": "kubernetes/serviceaccount",
        "sub": "system:serviceaccount:default:bot",
        f"{prefix}namespace": "default",
        f"{prefix}secret.name": name,
        f"{prefix}service-account.name": "bot",
        f"{prefix}service-account.uid": world.uid,
    }
    shown = jwt.encode(said | claims, world.before, algorithm="RS256")
    metadata = {"name": name, "annotations": {"kubernetes.io/service-account.name": "bot"}}
    data = {"token": base64.b64encode(shown.encode()).decode()}
    body = {"metadata": metadata, "type": "kubernetes.io/service-account-token", "data": data}
    world.api.make(f"{NAMESPACE}/secrets", body)
    return shown


def test_a_request_may_say_which_account_of_that_name_it_means(world: Any) -> None:
    """As upstream since 1.34: one that has been made anew gives no tokens to who asks for the old one."""
    named = {"metadata": {"uid": world.uid}, "spec": {}}
    made = world.api("POST", f"{ACCOUNT}/token", named)
    assert (made.status, made.body["metadata"]["uid"]) == (201, world.uid)
    answer = world.api("POST", f"{ACCOUNT}/token", {"metadata": {"uid": "other"}, "spec": {}})
    why = f"the UID in the token request (other) does not match the UID of the service account ({world.uid})"
    words = f'Operation cannot be fulfilled on TokenRequest.authentication.k8s.io "bot": {why}'
    assert (answer.status, answer.body["message"]) == (409, words)


def test_tokens_of_secrets_are_good_while_the_secret_says_so(world: Any) -> None:
    shown = legacy(world, "old-token")
    status = review(world, shown)
    assert status["user"]["username"] == "system:serviceaccount:default:bot"
    assert status["audiences"] == [OWN, "api"]
    labels = {"metadata": {"labels": {"kubernetes.io/legacy-token-invalid-since": "2026-01-01"}}}
    path = f"{NAMESPACE}/secrets/old-token"
    world.api("PATCH", path, labels, content_type="application/merge-patch+json")
    assert "authenticated" not in review(world, shown)
    another = legacy(world, "second-token")
    world.api("DELETE", f"{NAMESPACE}/secrets/second-token")
    assert "authenticated" not in review(world, another)
    lying = legacy(world, "third-token", sub="system:serviceaccount:kube-system:admin")
    assert "authenticated" not in review(world, lying)


def test_others_find_the_keys(world: Any) -> None:
    """Accounts may by a default role; whoever has no account and no role may not."""
    found = world.api("GET", "/.well-known/openid-configuration").body
    assert (found["issuer"], found["jwks_uri"]) == (OWN, "https://keys.example/jwks")
    assert found["id_token_signing_alg_values_supported"] == ["ES256", "ES384", "RS256"]
    answer = world.api("GET", "/openid/v1/jwks")
    assert answer.headers["cache-control"] == "public, max-age=3600"
    assert world.api("GET", "/version").headers["cache-control"] == "no-cache, private"
    keys = answer.body["keys"]
    assert sorted(key["alg"] for key in keys) == ["ES256", "ES384", "RS256"]
    assert not any({"d", "p", "q"} & key.keys() for key in keys)
    account = request(world).body["status"]["token"]
    for path in ("/.well-known/openid-configuration", "/openid/v1/jwks"):
        assert world.api("GET", path, token=account).status == 200
        assert world.api("GET", path, token=None).status == 401
    assert world.api("GET", "/openid/v1/jwks", token="nobody-token").status == 403


def test_a_browser_may_show_its_token_as_a_protocol(world: Any) -> None:
    encoded = base64.urlsafe_b64encode(b"nobody-token").decode().rstrip("=")
    protocols = f"base64url.bearer.authorization.k8s.io.{encoded}, v4.channel.k8s.io"
    headers = {"Sec-WebSocket-Protocol": protocols, "Upgrade": "websocket", "Connection": "Upgrade"}
    path = f"{NAMESPACE}/pods/absent/exec"
    assert world.api("GET", path, token=None, headers=headers).status == 403
    alone = headers | {"Sec-WebSocket-Protocol": protocols.split(",")[0]}
    assert world.api("GET", path, token=None, headers=alone).status == 401


RBAC = "/apis/rbac.authorization.k8s.io/v1"


def test_making_by_changing_needs_the_right_to_make(world: Any) -> None:
    """PUT and apply of what is not there create it: `update` and `patch` alone are not enough."""
    rules = [{"verbs": ["update", "patch", "get"], "apiGroups": ["coordination.k8s.io"], "resources": ["leases"]}]
    world.api.make(f"{RBAC}/namespaces/default/roles", {"metadata": {"name": "changer"}, "rules": rules})
    subjects = [{"kind": "User", "name": "nobody", "apiGroup": "rbac.authorization.k8s.io"}]
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "changer"}
    body = {"metadata": {"name": "changer"}, "roleRef": reference, "subjects": subjects}
    world.api.make(f"{RBAC}/namespaces/default/rolebindings", body)
    path = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"}, "spec": {}}
    apply = {"content_type": "application/apply-patch+yaml", "token": "nobody-token"}
    assert world.api("PUT", f"{path}/l", lease, token="nobody-token").status == 403
    refused = world.api("PATCH", f"{path}/l?fieldManager=t", lease, **apply)
    assert (refused.status, "cannot create resource" in refused.body["message"]) == (403, True)
    lease["metadata"] = world.api.make(path, lease)["metadata"]
    assert world.api("PUT", f"{path}/l", lease, token="nobody-token").status == 200
    lease["metadata"] = {"name": "l"}
    assert world.api("PATCH", f"{path}/l?fieldManager=t", lease, **apply).status == 200
