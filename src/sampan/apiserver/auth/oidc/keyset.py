"""An issuer's public keys: found through its discovery document, fetched again when a token names one not yet known.

OpenID Connect Discovery 1.0, section 4; RFC 7517. Whoever sends tokens with invented keys makes us ask the issuer at
most once in `AGAIN_SECONDS`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import msgspec

from sampan.aio.clock import Clock
from sampan.apiserver.outgoing import Unreachable

log = logging.getLogger(__name__)

WELL_KNOWN = "/.well-known/openid-configuration"
RETRY_SECONDS = 10.0
RENEW_SECONDS = 300.0
AGAIN_SECONDS = 5.0
MOST_KEYS = 100

Key = Mapping[str, Any]


class Getter(Protocol):
    """Who fetches documents: `outgoing.Caller`."""

    async def get(self, url: str) -> tuple[int, bytes]: ...

    async def close(self) -> None: ...


class _Provider(msgspec.Struct):
    issuer: str
    jwks_uri: str


class _Set(msgspec.Struct):
    keys: list[dict[str, Any]]


class KeySet:
    """`keys` is empty until the issuer has been reached; `problem` tells why it has not; `document` is what they were
    read from. `asked` is told of each try whether it was a "success" or a "failure".
    """

    def __init__(
        self,
        issuer: str,
        getter: Getter,
        clock: Clock,
        discovery: str = "",
        *,
        asked: Callable[[str], None] = lambda result: None,
    ) -> None:
        self._told = asked
        self._issuer = issuer
        self._getter = getter
        self._clock = clock
        self._discovery = discovery or issuer.rstrip("/") + WELL_KNOWN
        self._address = ""
        self._asked = -AGAIN_SECONDS
        self._asking: asyncio.Task[None] | None = None
        self.keys: tuple[Key, ...] = ()
        self.document = b""
        self.problem = "not asked yet"

    async def run(self) -> None:
        """Until cancelled. The keys are fetched again now and then, so that one the issuer takes back is believed no
        longer; while the issuer is away, the last ones stay.
        """
        while True:
            await self._ask()
            if self.problem:
                log.warning("oidc: issuer cannot be used issuer=%s problem=%s", self._issuer, self.problem)
            await self._clock.sleep(RETRY_SECONDS if self.problem else RENEW_SECONDS)

    def refresh(self) -> Awaitable[None] | None:
        """Fetch the keys again, once for all who want it; None when that was done just now."""
        if self._asking is None or self._asking.done():
            if self._clock.monotonic() - self._asked < AGAIN_SECONDS:
                return None
            self._asking = asyncio.get_running_loop().create_task(self._ask(), name="oidc-keys")
        return asyncio.shield(self._asking)

    async def close(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)
        await self._getter.close()

    async def _ask(self) -> None:
        self._asked = self._clock.monotonic()
        try:
            if not self._address:
                self._address = await self._discover()
            document = await self._document(self._address)
            found = msgspec.json.decode(document, type=_Set).keys
            self.document = document
            self.keys, self.problem = tuple(found[:MOST_KEYS]), "" if found else f"{self._address} holds no keys"
        except Unreachable as error:
            self.problem = str(error)
        except msgspec.MsgspecError as error:
            self.problem = f"{self._address or self._discovery}: not the document it should be: {error}"
        self._told("failure" if self.problem else "success")

    async def _discover(self) -> str:
        provider = msgspec.json.decode(await self._document(self._discovery), type=_Provider)
        if provider.issuer != self._issuer:
            raise Unreachable(f"{self._discovery} is the document of another issuer, {provider.issuer[:200]!r}")
        if not provider.jwks_uri.startswith("https://"):
            raise Unreachable(f"{self._discovery}: its jwks_uri is no https:// address")
        return provider.jwks_uri

    async def _document(self, url: str) -> bytes:
        status, body = await self._getter.get(url)
        if status != 200:
            raise Unreachable(f"{url}: HTTP {status}")
        return body
