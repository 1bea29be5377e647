"""OpenID Connect against a real issuer over TLS: who is believed, and every way of not being."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from .parties import Authority, Issuer, eventually, running

VERSION = "apiserver.config.k8s.io/v1"


def entry(issuer: Issuer, authority: Authority, **more: Any) -> dict[str, Any]:
    told = {"url": issuer.url, "certificateAuthority": authority.text, "audiences": ["api"]}
    username = {"claim": "sub", "prefix": "one:"}
    return {"issuer": told, "claimMappings": {"username": username}} | more


def document(*entries: dict[str, Any], **more: Any) -> str:
    body = {"apiVersion": VERSION, "kind": "AuthenticationConfiguration", "jwt": list(entries), **more}
    return json.dumps(body)


BY_EXPRESSION = {
    "claimValidationRules": [
        {"claim": "tenant", "requiredValue": "blue"},
        {"expression": "claims.exp - claims.iat <= 7200.0", "message": "tokens of two hours at most"},
    ],
    "claimMappings": {
        "username": {"expression": "claims.email_verified ? claims.email : 'nobody'"},
        "groups": {"expression": "claims.roles.split(',')"},
        "uid": {"expression": "claims.sub"},
        "extra": [{"key": "acme.io/desk", "valueExpression": "claims.?desk.orValue('')"}],
    },
    "userValidationRules": [
        {"expression": "!user.username.startsWith('system:')", "message": "no system users"},
        {"expression": "user.groups.all(group, !group.startsWith('system:'))"},
    ],
}


@pytest.fixture(scope="module")
def world(special_server: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server that believes two issuers, one of which is down when it starts."""
    folder = tmp_path_factory.mktemp("openid")
    authority = Authority(folder, "issuers")
    one, two, late = (Issuer(authority, name, curve=name == "two") for name in ("one", "two", "late"))
    with running(one.party, two.party, late.party):
        late.party.stop()
        config = folder / "authentication.json"
        entries = entry(one, authority), entry(two, authority, **BY_EXPRESSION), entry(late, authority)
        anonymous = {"enabled": True, "conditions": [{"path": "/livez"}, {"path": "/readyz"}, {"path": "/version"}]}
        config.write_text(document(*entries, anonymous=anonymous))
        api = special_server("--authentication-config", str(config))
        yield SimpleNamespace(
            api=api, one=one, two=two, late=late, authority=authority, config=config, anonymous=anonymous
        )


def who(world: Any, token: str | None) -> Any:
    """The user a token is taken for; the status where it is refused."""
    answer = world.api("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, token=token)
    return answer.body["status"]["userInfo"] if answer.status == 201 else answer.status


def test_a_good_token_names_its_user(world: Any) -> None:
    user = who(world, world.one.token(time.time(), groups=["ignored"]))
    assert (user["username"], user["groups"]) == ("one:ann", ["system:authenticated"])


def full(world: Any, **claims: Any) -> str:
    said = {"tenant": "blue", "email": "ann@example.org", "email_verified": True, "roles": "dev,ops", "desk": "7"}
    token: str = world.two.token(time.time(), **said | claims)
    return token


def test_expressions_make_the_user(world: Any) -> None:
    user = who(world, full(world))
    assert user["username"] == "ann@example.org"
    assert user["groups"] == ["dev", "ops", "system:authenticated"]
    assert (user["uid"], user["extra"]) == ("ann", {"acme.io/desk": ["7"]})
    assert "extra" not in who(world, full(world, desk=""))


@pytest.mark.parametrize(
    "claims",
    [
        {"tenant": "red"},
        {"tenant": None},
        {"exp": 4_000_000_000},
        {"email": "system:admin"},
        {"roles": "system:masters"},
        {"roles": None},
        {"email_verified": "yes"},
        {"email": 7},
    ],
)
def test_rules_refuse(world: Any, claims: dict[str, Any]) -> None:
    assert who(world, full(world, **claims)) == 401


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "others"},
        {"aud": ["others", 7]},
        {"aud": None},
        {"exp": 1_700_000_000},
        {"exp": None},
        {"exp": "soon"},
        {"nbf": 4_000_000_000},
        {"iss": "https://127.0.0.1:1"},
        {"iss": None},
        {"sub": 7},
        {"sub": ""},
        {"sub": None},
    ],
)
def test_claims_that_do_not_fit_are_refused(world: Any, claims: dict[str, Any]) -> None:
    assert who(world, world.one.token(time.time(), **claims)) == 401


def forged(world: Any, head: dict[str, Any], **claims: Any) -> str:
    """A token that nobody has signed."""
    body = {"iss": world.one.url, "aud": "api", "sub": "ann", "exp": int(time.time()) + 60, **claims}
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (head, body)]
    return ".".join([*parts, "AAAA"])


def test_a_clock_a_little_off_does_not_matter(world: Any) -> None:
    assert who(world, world.one.token(time.time(), nbf=int(time.time()) + 200))["username"] == "one:ann"
    assert who(world, world.one.token(time.time(), nbf=int(time.time()) + 400)) == 401


def test_the_key_is_not_taken_for_a_secret(world: Any) -> None:
    """The attacks of RFC 8725, section 2.1: no signature, and a MAC made with the public key."""
    assert who(world, forged(world, {"alg": "none"})) == 401
    assert who(world, forged(world, {"alg": "none"})[:-4]) == 401
    unsigned = forged(world, {"alg": "HS256", "kid": world.one.name}).rpartition(".")[0]
    mac = hmac.new(world.one.public_pem(), unsigned.encode(), hashlib.sha256).digest()
    assert who(world, f"{unsigned}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}") == 401
    assert who(world, forged(world, {"alg": "RS256", "kid": world.one.name})) == 401


def test_another_key_of_the_same_name_is_refused(world: Any) -> None:
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert who(world, world.one.token(time.time(), key=stranger)) == 401
    crossed = world.two.token(time.time(), iss=world.one.url)
    assert who(world, crossed) == 401


def test_keys_may_be_rotated(world: Any) -> None:
    """An unknown key is asked for, though no more often than every few seconds."""
    world.one.rotate("second")
    eventually(lambda: isinstance(who(world, world.one.token(time.time())), dict))
    before = len(world.one.party.asked)
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    token = world.one.token(time.time(), key=stranger)
    assert [who(world, token) for _ in range(5)] == [401] * 5
    assert len(world.one.party.asked) - before <= 1


def test_an_issuer_that_is_down_is_asked_again(world: Any) -> None:
    token = world.late.token(time.time())
    assert who(world, token) == 401
    assert isinstance(who(world, world.two.token(time.time())), int)
    world.late.party.start()
    eventually(lambda: isinstance(who(world, token), dict))


def test_anonymous_requests_are_for_the_paths_named(world: Any) -> None:
    assert world.api("GET", "/version", token=None).status == 200
    assert world.api("GET", "/healthz", token=None).status == 401
    assert world.api("GET", "/api", token=None).status == 401
    assert world.api("GET", "/version", token="wrong").status == 401


def test_reviews_know_these_tokens_and_their_audiences(world: Any) -> None:
    path, token = "/apis/authentication.k8s.io/v1/tokenreviews", world.two.token(time.time())
    assert "error" in world.api.make(path, {"spec": {"token": token}})["status"]
    good = full(world)
    own = "https://kubernetes.default.svc.cluster.local"
    status = world.api.make(path, {"spec": {"token": good}})["status"]
    assert (status["authenticated"], status["audiences"]) == (True, [own])
    assert world.api.make(path, {"spec": {"token": good, "audiences": ["other", own]}})["status"]["audiences"] == [own]
    assert "authenticated" not in world.api.make(path, {"spec": {"token": good, "audiences": ["other"]}})["status"]


def test_the_file_is_taken_up_when_it_changes(world: Any) -> None:
    token = world.one.token(time.time(), aud="later")
    assert who(world, token) == 401
    changed = entry(world.one, world.authority)
    changed["issuer"] = changed["issuer"] | {"audiences": ["api", "later"], "audienceMatchPolicy": "MatchAny"}
    world.config.write_text(document(changed))
    eventually(lambda: isinstance(who(world, token), dict))
    assert who(world, full(world)) == 401
    world.config.write_text(document(changed | {"issuer": {"url": "http://x"}}))
    log = Path(world.api.data) / "server.log"
    eventually(lambda: 'jwt[0].issuer.url: Invalid value: "http://x": URL scheme must be https' in log.read_text())
    assert isinstance(who(world, token), dict)
    metrics = world.api("GET", "/metrics").body
    reloads, server = "apiserver_authentication_config_controller", r'\{apiserver_id_hash="sha256:[0-9a-f]{64}",'
    assert re.search(rf'{reloads}_automatic_reloads_total{server}status="failure"}} 1\n', metrics)
    assert re.search(rf'{reloads}_automatic_reload_last_timestamp_seconds{server}status="success"}} \d+', metrics)
    taken = hashlib.sha256(document(changed).encode()).hexdigest()
    assert re.search(rf'{reloads}_last_config_info{server}hash="sha256:{taken}"}} 1\n', metrics)
    which = f'jwt_issuer_hash="sha256:{hashlib.sha256(world.one.url.encode()).hexdigest()}"'
    for result in ("success", "failure"):
        latency = f'latency_seconds_count{{result="{result}",{which}}}'
        assert f"apiserver_authentication_jwt_authenticator_{latency}" in metrics
    fetched, told = "apiserver_authentication_jwt_authenticator_jwks_fetch", rf"{server}{which}"
    assert re.search(rf'{fetched}_last_timestamp_seconds{told},result="success"}} \d', metrics)
    assert len(re.findall(rf'{fetched}_last_key_set_info{told},hash="sha256:[0-9a-f]{{64}}"}} 1\n', metrics)) == 1


def test_a_bad_file_ends_the_start_with_its_fields(world: Any, tmp_path: Path) -> None:
    bad = entry(world.one, world.authority, claimMappings={"username": {"expression": "claims."}})
    bad["issuer"] = {"url": "https://u:p@h?x#y", "audiences": []}
    config = tmp_path / "bad.json"
    config.write_text(document(bad))
    command = [sys.executable, "-m", "sampan", "apiserver", "--data-dir", str(tmp_path), "--port", "0"]
    done = subprocess.run(
        [*command, "--authentication-config", str(config)], capture_output=True, text=True, timeout=60, env=os.environ
    )
    assert done.returncode != 0
    for field in ("issuer.url", "issuer.audiences: Required value", "claimMappings.username.expression: Invalid value"):
        assert f"jwt[0].{field}" in done.stderr
    assert "Traceback" not in done.stderr
