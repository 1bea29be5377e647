"""An issuer's keys: found, found again, taken back, and never asked for in a hurry. In virtual time."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from sampan.apiserver.auth.oidc.keyset import AGAIN_SECONDS, RENEW_SECONDS, RETRY_SECONDS, KeySet
from sampan.apiserver.outgoing import Unreachable
from sampan.testing.clock import VirtualClock

URL = "https://i.example"
FOUND = {"issuer": URL, "jwks_uri": "https://i.example/keys"}


class Site:
    """What the issuer serves: documents, HTTP codes or errors, by path."""

    def __init__(self, **pages: Any) -> None:
        self.pages = pages
        self.asked: list[str] = []

    async def get(self, url: str) -> tuple[int, bytes]:
        name = "keys" if url.endswith("/keys") else "discovery"
        self.asked.append(name)
        page = self.pages[name]
        if isinstance(page, Exception):
            raise page
        return (page, b"") if isinstance(page, int) else (200, page if isinstance(page, bytes) else _json(page))

    async def close(self) -> None:
        """Nothing is open."""


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    ("pages", "says"),
    [
        ({"discovery": Unreachable("refused")}, "refused"),
        ({"discovery": 404}, "HTTP 404"),
        ({"discovery": b"<html>"}, "not the document it should be"),
        ({"discovery": FOUND | {"issuer": "https://other"}}, "the document of another issuer, 'https://other'"),
        ({"discovery": FOUND | {"jwks_uri": "http://i.example/keys"}}, "its jwks_uri is no https:// address"),
        ({"discovery": FOUND, "keys": 500}, "HTTP 500"),
        ({"discovery": FOUND, "keys": {"keys": 7}}, "not the document it should be"),
        ({"discovery": FOUND, "keys": {"keys": []}}, "holds no keys"),
    ],
)
async def test_what_is_wrong_with_an_issuer_is_told(pages: dict[str, Any], says: str) -> None:
    site, clock = Site(**pages), VirtualClock()
    keys = KeySet(URL, site, clock)
    waiting = keys.refresh()
    assert waiting is not None
    await waiting
    assert says in keys.problem
    assert keys.keys == ()
    await keys.close()


async def test_it_is_asked_until_it_answers_and_then_now_and_then() -> None:
    site, clock = Site(discovery=Unreachable("refused")), VirtualClock()
    keys = KeySet(URL, site, clock)
    task = asyncio.ensure_future(keys.run())
    await clock.advance(0)
    site.pages = {"discovery": FOUND, "keys": {"keys": [{"kid": "a"}]}}
    await clock.advance(RETRY_SECONDS)
    assert [key["kid"] for key in keys.keys] == ["a"]
    site.pages["keys"] = Unreachable("away")
    await clock.advance(RENEW_SECONDS)
    assert ([key["kid"] for key in keys.keys], keys.problem) == (["a"], "away")
    site.pages["keys"] = {"keys": [{"kid": "b"}]}
    await clock.advance(RETRY_SECONDS)
    assert ([key["kid"] for key in keys.keys], keys.problem) == (["b"], "")
    task.cancel()
    await keys.close()


async def test_strangers_cannot_make_us_ask_in_a_hurry() -> None:
    site, clock = Site(discovery=FOUND, keys={"keys": [{"kid": "a"}]}), VirtualClock()
    keys = KeySet(URL, site, clock)
    first, second = keys.refresh(), keys.refresh()
    assert first is not None and second is not None
    await asyncio.gather(first, second)
    assert site.asked == ["discovery", "keys"]
    assert keys.refresh() is None
    await clock.advance(AGAIN_SECONDS)
    again = keys.refresh()
    assert again is not None
    await again
    assert site.asked == ["discovery", "keys", "keys"]
    await keys.close()
