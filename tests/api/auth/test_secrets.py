"""CVE-2019-11250, CVE-2020-8565: no credential is in what a server writes, at the most talkative level, whatever fails.

Every kind of credential is shown, good and bad, on every road that refuses it; then the log, the metrics, the status
page, all answers and the process's own arguments and environment are searched for all of them.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ..conftest import TOKENS, Process
from .parties import Authority, Issuer, Party, running

REVIEW = "/apis/authentication.k8s.io/v1/tokenreviews"
ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"


def failing(path: str, review: Any) -> tuple[int, Any]:
    """Says everything it was told, in an error."""
    return 403, {"kind": "Status", "message": json.dumps(review)}


def nonsense(path: str, review: Any) -> tuple[int, Any]:
    return 200, {"kind": "TokenReview", "status": {"authenticated": "yes", "user": review["spec"]["token"]}}


@pytest.mark.parametrize("webhook", [failing, nonsense])
def test_no_credential_is_told(tmp_path: Path, webhook: Callable[..., Any]) -> None:
    authority = Authority(tmp_path, "parties")
    issuer, party = Issuer(authority, "issuer"), Party(authority, "webhook", webhook)
    told = {"url": issuer.url, "certificateAuthority": authority.text, "audiences": ["api"]}
    rules = [{"expression": "claims.deep.er == 'x'"}]
    entry = {
        "issuer": told,
        "claimMappings": {"username": {"claim": "sub", "prefix": ""}},
        "claimValidationRules": rules,
    }
    kind = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration"}
    config = tmp_path / "authentication.json"
    config.write_text(json.dumps(kind | {"jwt": [entry]}))
    asks = party.kubeconfig(tmp_path, "webhook", token="the-servers-own-secret")
    process = Process(
        *(tmp_path, "--log-level", "debug", "--authentication-config", str(config)),
        *("--authentication-token-webhook-config-file", str(asks)),
    )
    with running(issuer.party, party):
        try:
            api = process.start()
            shown, answers = everything(api, issuer)
            written = [process.log(), *answers]
            written += [str(api("GET", path).body) for path in ("/metrics", "/statusz", "/readyz?verbose")]
            written += [Path(f"/proc/{process.pid}/{file}").read_text() for file in ("cmdline", "environ")]
        finally:
            process.stop()
    secrets = {*shown, "the-servers-own-secret", *(line.partition(",")[0] for line in TOKENS.split())}
    text = "\n".join(written)
    assert not [secret for secret in secrets if secret and secret in text]
    assert "token webhook failed" in text, "the log was looked at where it matters"


def everything(api: Any, issuer: Issuer) -> tuple[set[str], list[str]]:
    """All credentials that were shown, and all answers but those that give a new token out."""
    now = time.time()
    api.make(ACCOUNTS, {"metadata": {"name": "bot"}})
    account = api.make(f"{ACCOUNTS}/bot/token", {"spec": {}})["status"]["token"]
    elsewhere = api.make(f"{ACCOUNTS}/bot/token", {"spec": {"audiences": ["other"]}})["status"]["token"]
    api("DELETE", f"{ACCOUNTS}/bot")
    tokens = [
        *("guessed-bearer-secret", "abcdef.0123456789abcdef", account, elsewhere, account[:-9] + "A" * 9),
        *(
            issuer.token(now),
            issuer.token(now, exp=1),
            issuer.token(now, aud="other"),
            issuer.token(now, deep={"er": 7}),
        ),
        issuer.token(now, iss="https://nobody.example"),
    ]
    answers, encodings = [], set()
    for token in tokens:
        answers.append(api("GET", "/api/v1/nodes", token=token))
        answers.append(api("GET", "/api/v1/nodes", token=token, headers={"Impersonate-User": "x"}))
        review = api("POST", REVIEW, {"spec": {"token": token, "audiences": ["api"]}})
        assert review.body["spec"].pop("token") == token, "a review shows what was asked; nothing else does"
        review.body["metadata"].pop("managedFields", None)
        answers += [review, api("POST", f"{REVIEW}?dryRun=x", {"spec": {"token": [token]}}, token=token)]
        encoded = base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")
        protocols = f"base64url.bearer.authorization.k8s.io.{encoded}, v4.channel.k8s.io"
        headers = {"Sec-WebSocket-Protocol": protocols, "Upgrade": "websocket", "Connection": "Upgrade"}
        answers.append(api("GET", "/api/v1/namespaces/default/pods/p/exec", token=None, headers=headers))
        answers.append(api("GET", "/api", token=None, headers={"Authorization": f"Basic {token}"}))
        encodings.add(encoded)
    secret = {"metadata": {"name": "s"}, "stringData": {"password": "kept-in-a-secret"}, "type": 7}
    answers.append(api("POST", "/api/v1/namespaces/default/secrets", secret))
    parts = {part for token in tokens for part in token.split(".") if len(part) > 12}
    return {*tokens, *parts, *encodings, "kept-in-a-secret"}, [f"{a.body}{a.headers}" for a in answers]
