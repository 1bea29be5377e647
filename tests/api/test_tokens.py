"""Service accounts' tokens: what they say, for how long and for whom they are good, and how they are revoked."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
import pytest


@pytest.fixture
def account(api: Any, namespace: str) -> str:
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    api.make(path, {"metadata": {"name": "bot"}})
    return f"{path}/bot"


def claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))  # type: ignore[no-any-return]


def who(api: Any, token: str) -> Any:
    return api("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, token=token)


def test_a_token_names_its_account(api: Any, namespace: str, account: str) -> None:
    status = api.make(account + "/token", {"spec": {"expirationSeconds": 3600}})["status"]
    said = claims(status["token"])
    assert said["sub"] == f"system:serviceaccount:{namespace}:bot"
    assert said["exp"] - said["iat"] == 3600
    assert said["kubernetes.io"]["serviceaccount"]["name"] == "bot"
    refused = api("GET", "/api/v1/nodes", token=status["token"])
    assert refused.status == 403
    assert f'User "system:serviceaccount:{namespace}:bot" cannot list' in refused.body["message"]
    review = api.make("/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {"token": status["token"]}})["status"]
    assert review["user"]["groups"] == [
        "system:serviceaccounts",
        f"system:serviceaccounts:{namespace}",
        "system:authenticated",
    ]


def test_a_token_dies_with_its_account(api: Any, account: str) -> None:
    token = api.make(account + "/token", {"spec": {}})["status"]["token"]
    assert who(api, token).status != 401
    api("DELETE", account)
    assert who(api, token).status == 401


def test_a_token_dies_with_its_pod(api: Any, namespace: str, account: str) -> None:
    pods = f"/api/v1/namespaces/{namespace}/pods"
    spec = {"serviceAccountName": "bot", "containers": [{"name": "c", "image": "i"}]}
    pod = api.make(pods, {"metadata": {"name": "p"}, "spec": spec})
    reference = {"kind": "Pod", "apiVersion": "v1", "name": "p"}
    token = api.make(account + "/token", {"spec": {"boundObjectRef": reference}})["status"]["token"]
    assert claims(token)["kubernetes.io"]["pod"] == {"name": "p", "uid": pod["metadata"]["uid"]}
    assert who(api, token).status != 401
    api("DELETE", f"{pods}/p")
    assert who(api, token).status == 401


def test_tokens_for_others_and_forged_ones_are_refused(api: Any, account: str) -> None:
    token = api.make(account + "/token", {"spec": {"audiences": ["elsewhere"]}})["status"]["token"]
    assert who(api, token).status == 401
    good = api.make(account + "/token", {"spec": {}})["status"]["token"]
    head, body, _ = good.split(".")
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
    assert who(api, f"{unsigned}.{body}.").status == 401
    assert who(api, f"{head}.{body}.{'A' * 86}").status == 401


def test_bad_requests(api: Any, namespace: str, account: str) -> None:
    assert api("POST", account + "/token", {"spec": {"expirationSeconds": 10}}).status == 422
    assert api("POST", account[:-3] + "none/token", {"spec": {}}).status == 404
    assert api("POST", account + "/token", {"metadata": {"name": "other"}, "spec": {}}).status == 422
    pod = {"metadata": {"name": "others"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    api.make(f"/api/v1/namespaces/{namespace}/pods", pod)
    others = {"kind": "Pod", "apiVersion": "v1", "name": "others"}
    refused = api("POST", account + "/token", {"spec": {"boundObjectRef": others}})
    assert refused.status == 400
    assert "to pod running with different serviceaccount name" in refused.body["message"]
    gone = {"kind": "Pod", "apiVersion": "v1", "name": "nope"}
    assert api("POST", account + "/token", {"spec": {"boundObjectRef": gone}}).status == 404


def test_others_can_check_tokens(api: Any) -> None:
    configuration = api("GET", "/.well-known/openid-configuration").body
    assert configuration["issuer"] == "https://kubernetes.default.svc.cluster.local"
    answer = api("GET", "/openid/v1/jwks")
    (key,) = answer.body["keys"]
    assert (answer.headers["content-type"], key["use"], "d" in key) == ("application/jwk-set+json", "sig", False)
    api.make("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "checked"}})
    path = "/api/v1/namespaces/default/serviceaccounts/checked/token"
    token = api.make(path, {"spec": {"audiences": ["a"]}})["status"]["token"]
    said = jwt.decode(token, jwt.PyJWK(key).key, algorithms=[key["alg"]], audience="a")
    assert said["sub"] == "system:serviceaccount:default:checked"
