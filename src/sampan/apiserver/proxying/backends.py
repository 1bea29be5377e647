"""The HTTP clients behind the proxies, each made when it is first needed: one for kubelets, one for everything else.

Neither keeps cookies (they would pass from one caller to the next), follows redirects, or unpacks what it gets.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

from sampan.api.errors import ServiceUnavailable
from sampan.apiserver.http import tls
from sampan.apiserver.proxying.locations import Location

if TYPE_CHECKING:
    from sampan.apiserver.server import ApiServer

CONNECT_SECONDS = 10
AUTOMATIC = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


class Backends:
    """`request` gives the other end's answer, unread."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._sessions: dict[bool, Any] = {}

    async def request(self, location: Location, method: str, path: str, headers: dict[str, str], body: bytes) -> Any:
        """An `aiohttp.ClientResponse`. `path` is encoded, with its query. Raises ServiceUnavailable."""
        import aiohttp
        from yarl import URL

        url = URL(f"{location.scheme}://{location.authority}{path}", encoded=True)
        session = self._session(kubelet=location.kubelet)
        try:
            return await session.request(
                method, url, headers=headers, data=body or None, allow_redirects=False, skip_auto_headers=AUTOMATIC
            )
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            why = str(error) or type(error).__name__
            raise ServiceUnavailable(f"error trying to reach service: {why}") from None

    async def close(self) -> None:
        for session in self._sessions.values():
            await session.close()

    def _session(self, *, kubelet: bool) -> Any:
        found = self._sessions.get(kubelet)
        if found is None:
            import aiohttp

            from sampan.apiserver.proxying.resolver import Resolver

            context = tls.kubelet_context(self._server.config) if kubelet else _unverified()
            connector = aiohttp.TCPConnector(
                ssl=context, limit=0, resolver=Resolver(aiohttp.ThreadedResolver()), use_dns_cache=False
            )
            found = self._sessions[kubelet] = aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            )
        return found


def _unverified() -> ssl.SSLContext:
    """Pods are reached by addresses, which are in no certificate of theirs: upstream does not check them either."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
