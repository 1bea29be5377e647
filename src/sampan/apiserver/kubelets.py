"""Talking to the kubelets of nodes: over TLS, with this server's client certificate.

The HTTP client is imported when it is first needed; a server nobody asks for logs does without.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

from sampan.aio.tunnel import BadAnswer, Refusal, Tunnel, dial, request_head
from sampan.api.errors import ApiError, InternalError
from sampan.apiserver.http import tls

if TYPE_CHECKING:
    from sampan.apiserver.server import ApiServer

ADDRESS_TYPES = ("InternalIP", "Hostname", "InternalDNS", "ExternalIP", "ExternalDNS")
DEFAULT_PORT = 10250
CONNECT_SECONDS = 10
UPGRADING = frozenset(
    {
        b"connection",
        b"content-length",
        b"origin",
        b"sec-websocket-extensions",
        b"sec-websocket-key",
        b"sec-websocket-protocol",
        b"sec-websocket-version",
        b"upgrade",
        b"user-agent",
    }
)
VERSIONS = b"x-stream-protocol-version"
Headers = list[tuple[bytes, bytes]]


class Kubelets:
    """One client session for all nodes, made on first use."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._session: Any = None

    async def get(self, node: str, path: str) -> Any:
        """The kubelet's answer, unread (an `aiohttp.ClientResponse`).

        Raises InternalError when the kubelet cannot be reached.
        """
        import aiohttp

        host, port = self.endpoint(node)
        shown = f"[{host}]" if ":" in host else host
        url = f"https://{shown}:{port}{path}"
        from yarl import URL

        try:
            return await self._client().get(URL(url, encoded=True), allow_redirects=False)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise InternalError(f'Get "{url}": {error}') from None

    async def upgrade(self, node: str, path: str, headers: Headers, *, method: str, subject: str) -> Tunnel:
        """What the kubelet makes of a request to speak another protocol, at `path` of its own.

        Raises InternalError when the kubelet cannot be reached, and what it refuses with.
        """
        host, port = self.endpoint(node)
        shown = f"[{host}]" if ":" in host else host
        head = request_head(path, f"{shown}:{port}", headers, method=method)
        try:
            answer = await self._server.clock.wait_for(
                dial(host, port, head, tls=tls.kubelet_context(self._server.config)), CONNECT_SECONDS
            )
        except (OSError, TimeoutError, BadAnswer) as error:
            raise InternalError(f"error dialing backend: {host}:{port}: {error or 'no answer in time'}") from None
        if isinstance(answer, Refusal):
            raise refused(answer.status, answer.text, subject)
        return answer

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def endpoint(self, name: str) -> tuple[str, int]:
        """A node's address by preference and the port its kubelet has told. Raises InternalError."""
        entry = self._server.cache.resource("", "nodes").get(None, name)
        if entry is None:
            raise InternalError(f'Internal error occurred: nodes "{name}" not found')
        status = self._server.decoded(entry).status
        by_type = {a.type: a.address for a in (status.addresses or ())} if status is not None else {}
        address = next((by_type[t] for t in ADDRESS_TYPES if by_type.get(t)), None)
        if not address:
            raise InternalError(
                f"Internal error occurred: no preferred addresses found; known addresses: {list(by_type)}"
            )
        endpoints = status.daemonEndpoints
        port = (
            endpoints.kubeletEndpoint.Port if endpoints is not None and endpoints.kubeletEndpoint is not None else None
        )
        return address, port or DEFAULT_PORT

    def _client(self) -> Any:
        if self._session is None:
            import aiohttp

            context = tls.kubelet_context(self._server.config)
            timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=context, limit=0),
                timeout=timeout,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


async def pieces(reply: Any) -> AsyncIterator[bytes]:
    """An answer's body as it comes; closes the answer at its end, or when nobody wants more."""
    try:
        async for piece in reply.content.iter_any():
            if piece:
                yield piece
    finally:
        reply.close()


async def refusal(reply: Any, subject: str) -> ApiError:
    """A kubelet's refusal as the client is to see it. A redirect is one: where to, is not the kubelet's to say."""
    if 300 <= reply.status < 400:
        reply.close()
        return InternalError(f"the kubelet answered with a redirect (HTTP {reply.status}), which is not followed")
    text = (await reply.content.read(4096)).decode("utf-8", "replace").strip()
    reply.close()
    return refused(reply.status, text, subject)


def refused(status: int, text: str, subject: str) -> ApiError:
    reasons = {400: "BadRequest", 403: "Forbidden", 404: "NotFound", 500: "InternalError", 503: "ServiceUnavailable"}
    return ApiError(text or f"the kubelet refused {subject}", code=status, reason=reasons.get(status, "Unknown"))


def asking_for(version: bytes) -> Headers:
    """The headers of a request for SPDY that is this server's own."""
    return [(b"connection", b"Upgrade"), (b"upgrade", b"SPDY/3.1"), (VERSIONS, version)]


def passed_on(headers: dict[bytes, bytes]) -> Headers:
    """What a kubelet is told of a client's headers: those of the upgrade, and nothing that says who asks."""
    kept = [(name, value) for name, value in headers.items() if name in UPGRADING]
    return kept + versions(headers)


def versions(headers: Mapping[bytes, bytes]) -> Headers:
    """Older runtimes know one version of the stream protocol a line, as kubectl sends them."""
    return [(VERSIONS, each.strip()) for each in headers.get(VERSIONS, b"").split(b",") if each.strip()]
