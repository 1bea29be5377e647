"""HTTP GET as probes and hooks do it: no certificate is verified, nothing is kept open, and a redirect is followed
only to the same host, so that a container cannot send the node's requests where it likes (upstream's probe/http)."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from functools import lru_cache

import aiohttp
from yarl import URL

BODY_BYTES = 10 << 10
AGENT = "kube-probe/1.36"
DEFAULTS = (("User-Agent", AGENT), ("Accept", "*/*"), ("Connection", "close"))
REDIRECTS = (301, 302, 303, 307, 308)
MOST_REDIRECTS = 10


class Redirected(Exception):
    """The answer was a redirect to another host, which is not followed."""


class HttpGetter:
    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(self, url: str, headers: Sequence[tuple[str, str]]) -> tuple[int, str]:
        """Status and the first of the body; raises Redirected, and OSError or ValueError when there is no answer."""
        named = {name.lower() for name, _ in headers}
        # A header given empty is not sent at all.
        own = [(name, value) for name, value in headers if value]
        sent = [*(default for default in DEFAULTS if default[0].lower() not in named), *own]
        skipped = [name for name, _ in DEFAULTS if name.lower() in named]
        here = URL(url)
        for _ in range(MOST_REDIRECTS):
            status, body, location = await self._once(here, sent, skipped)
            if status not in REDIRECTS or not location:
                return status, body
            there = here.join(URL(location))
            if there.host != here.host:
                raise Redirected(f"Probe terminated redirects, Response body: {body}")
            here = there
        raise ValueError(f"stopped after {MOST_REDIRECTS} redirects")

    async def _once(
        self, url: URL, headers: Sequence[tuple[str, str]], skipped: Sequence[str]
    ) -> tuple[int, str, str | None]:
        context = unverified() if url.scheme == "https" else True
        asking = self._client().get(url, ssl=context, headers=headers, skip_auto_headers=skipped, allow_redirects=False)
        try:
            async with asking as response:
                body = (await response.content.read(BODY_BYTES)).decode(errors="replace")
                return response.status, body, response.headers.get("Location")
        except aiohttp.ClientError as error:
            raise OSError(str(error) or type(error).__name__) from None

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(force_close=True, limit=0)
            self._session = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
            )
        return self._session


@lru_cache(maxsize=1)
def unverified() -> ssl.SSLContext:
    """The container's certificate is what it is; made once, for it takes milliseconds."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
