"""The HTTP clients behind the proxies, each made when it is first needed: one for kubelets, one for everything else.

Neither keeps cookies (they would pass from one caller to the next), follows redirects, or unpacks what it gets. A
request to speak another protocol gets a connection of its own.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

from sampan.aio.tunnel import BadAnswer, Refusal, Tunnel, dial
from sampan.api.errors import ServiceUnavailable
from sampan.apiserver.http import tls
from sampan.apiserver.proxying import addresses
from sampan.apiserver.proxying.locations import Location

if TYPE_CHECKING:
    from sampan.apiserver.proxying.resolver import Resolver
    from sampan.apiserver.server import ApiServer

CONNECT_SECONDS = 10
PORTS = {"http": "80", "https": "443"}
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
            raise _unreachable(error) from None

    async def upgrade(self, location: Location, asked: bytes) -> Tunnel | Refusal:
        """What the other end makes of a request (head and body) for another protocol. Raises ServiceUnavailable."""
        try:
            return await self._server.clock.wait_for(self._dial(location, asked), CONNECT_SECONDS)
        except (OSError, TimeoutError, BadAnswer) as error:
            raise _unreachable(error) from None

    async def _dial(self, location: Location, asked: bytes) -> Tunnel | Refusal:
        port = int(location.port or PORTS[location.scheme])
        host = location.host
        if not addresses.is_literal(host):
            host = (await _resolver().resolve(host, port))[0]["host"]
        secured = location.scheme == "https"
        context = self._context(kubelet=location.kubelet) if secured else None
        return await dial(host, port, asked, tls=context, name=location.host)

    async def close(self) -> None:
        for session in self._sessions.values():
            await session.close()

    def _session(self, *, kubelet: bool) -> Any:
        found = self._sessions.get(kubelet)
        if found is None:
            import aiohttp

            connector = aiohttp.TCPConnector(
                ssl=self._context(kubelet=kubelet), limit=0, resolver=_resolver(), use_dns_cache=False
            )
            found = self._sessions[kubelet] = aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            )
        return found

    def _context(self, *, kubelet: bool) -> ssl.SSLContext:
        return tls.kubelet_context(self._server.config) if kubelet else _unverified()


def _unreachable(error: Exception) -> ServiceUnavailable:
    return ServiceUnavailable(f"error trying to reach service: {str(error) or type(error).__name__}")


def _resolver() -> Resolver:
    import aiohttp

    from sampan.apiserver.proxying.resolver import Resolver

    return Resolver(aiohttp.ThreadedResolver())


def _unverified() -> ssl.SSLContext:
    """Pods are reached by addresses, which are in no certificate of theirs: upstream does not check them either."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
