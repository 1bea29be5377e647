"""Bootstrap tokens: good while their secret is, and says so."""

from __future__ import annotations

import base64
import json
from types import SimpleNamespace
from typing import Any

import pytest

from sampan.apiserver.auth.authenticator import Rejected
from sampan.apiserver.auth.bootstraptoken import BootstrapTokens

DATA = {
    "token-id": "abcdef",
    "token-secret": "0123456789abcdef",
    "usage-bootstrap-authentication": "true",
    "expiration": "2026-01-02T00:00:00Z",
    "auth-extra-groups": "system:bootstrappers:workers",
}
NOW = 1_767_225_600.0


def ask(token: str, data: dict[str, str] | None = None, **secret: Any) -> Any:
    encoded = {name: base64.b64encode(text.encode()).decode() for name, text in (DATA | (data or {})).items()}
    body = {"metadata": {}, "type": "bootstrap.kubernetes.io/token", "data": encoded} | secret
    stored = json.dumps(body).encode()

    def find(*place: str) -> SimpleNamespace | None:
        wanted = ("secrets", "kube-system", "bootstrap-token-abcdef")
        return SimpleNamespace(data=stored) if place == wanted else None

    known = BootstrapTokens(find, lambda: NOW, ("api",)).know(token.encode(), ("api",))
    return known.user if known is not None else None


def test_a_good_one_may_bootstrap() -> None:
    user = ask("abcdef.0123456789abcdef")
    assert user.name == "system:bootstrap:abcdef"
    assert user.groups == ("system:bootstrappers", "system:bootstrappers:workers", "system:authenticated")


@pytest.mark.parametrize(
    "data, secret",
    [
        ({"token-secret": "fedcba9876543210"}, {}),
        ({"expiration": "2025-12-31T00:00:00Z"}, {}),
        ({"expiration": "soon"}, {}),
        ({"usage-bootstrap-authentication": "false"}, {}),
        ({"auth-extra-groups": "system:masters"}, {}),
        ({"token-id": "zzzzzz"}, {}),
        ({}, {"type": "Opaque"}),
        ({}, {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}),
    ],
)
def test_a_bad_one_is_refused(data: dict[str, str], secret: dict[str, Any]) -> None:
    with pytest.raises(Rejected):
        ask("abcdef.0123456789abcdef", data, **secret)


@pytest.mark.parametrize("token", ["abcdef.short", "ABCDEF.0123456789abcdef", "other1.0123456789abcdef", "x"])
def test_anything_else_is_not_its_business(token: str) -> None:
    assert ask(token) is None
