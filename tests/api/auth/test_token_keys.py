"""The key of accounts' tokens is replaced while the server runs: nobody with a good token is refused meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jwt
import pytest
from click.testing import CliRunner

from sampan.cli.main import sampan
from sampan.cluster import tokenkeys

from .parties import eventually

ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


@pytest.fixture(scope="module")
def api(special_server: Callable[..., Any]) -> Any:
    return special_server()


def step(api: Any) -> str:
    result = CliRunner().invoke(sampan, ["certs", "rotate-token-key", "--data-dir", str(api.data)])
    assert result.exit_code == 0, result.output
    return result.output


def shown(api: Any) -> list[str]:
    return [key["kid"] for key in api("GET", "/openid/v1/jwks").body["keys"]]


def test_the_key_of_tokens_is_replaced_in_three_steps(api: Any) -> None:
    api.make(ACCOUNTS, {"metadata": {"name": "bot"}})

    def made() -> tuple[str, str]:
        token = api.make(f"{ACCOUNTS}/bot/token", {})["status"]["token"]
        return token, jwt.get_unverified_header(token)["kid"]

    def good(token: str) -> bool:
        return bool(api("POST", WHO, {}, token=token).status == 201)

    old, old_key = made()
    assert good(old) and shown(api) == [old_key]

    assert "1 of 3" in step(api)
    eventually(lambda: len(shown(api)) == 2)
    assert made()[1] == old_key and good(old)

    assert "2 of 3" in step(api)
    eventually(lambda: made()[1] != old_key)
    new, new_key = made()
    assert shown(api) == [new_key, old_key]
    assert good(old) and good(new)

    assert "complete" in step(api)
    eventually(lambda: not good(old))
    assert good(new) and shown(api) == [new_key]
    assert tokenkeys.stage(api.data / "pki") == tokenkeys.STEADY
