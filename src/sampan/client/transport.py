"""The edge where a request becomes bytes on a TLS connection: aiohttp, keep-alive, client certificates.

`Transport` is the seam: another one can hand requests to an API server in the same process without a socket.
"""

from __future__ import annotations

import logging
import ssl
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Protocol

import aiohttp
from yarl import URL

from sampan.aio.files import Watched
from sampan.client import sockets
from sampan.client.config import ClientConfig
from sampan.client.errors import BadConfig, Unreachable

log = logging.getLogger(__name__)
CHUNK_BYTES = 1 << 18


class Transport(Protocol):
    async def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        """Status code and whole body; raises Unreachable."""
        ...

    def stream(self, path: str, headers: Mapping[str, str], seconds: float | None) -> AsyncIterator[bytes]:
        """Lines of a GET's answer as they come, raising `HttpFailure` for a status other than 200."""
        ...

    async def close(self) -> None: ...


class HttpFailure(Exception):
    """A streamed request was answered with an error; carries what came."""

    def __init__(self, code: int, body: bytes) -> None:
        super().__init__(f"HTTP {code}")
        self.code = code
        self.body = body


class HttpTransport:
    """One aiohttp session; connections are kept and reused.

    When the configuration's files have changed, a new session with new connections serves from the next request on.
    What the old one has under way, such as watches, goes on until it ends by itself.
    """

    def __init__(self, config: ClientConfig) -> None:
        self._config = config
        self._watched = Watched(config.files)
        self._session: aiohttp.ClientSession | None = None
        self._under_way: Counter[aiohttp.ClientSession] = Counter()

    async def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        try:
            async with (
                self._session_for_one() as session,
                session.request(
                    method,
                    self._url(path),
                    headers=headers,
                    data=body or None,
                    server_hostname=self._config.server_name,
                ) as response,
            ):
                return response.status, await response.read()
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise self._unreachable(error) from error

    async def stream(self, path: str, headers: Mapping[str, str], seconds: float | None) -> AsyncIterator[bytes]:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=seconds)
        try:
            async with (
                self._session_for_one() as session,
                session.get(
                    self._url(path), headers=headers, timeout=timeout, server_hostname=self._config.server_name
                ) as response,
            ):
                if response.status != 200:
                    raise HttpFailure(response.status, await response.read())
                try:
                    rest = b""
                    async for chunk in response.content.iter_any():
                        *lines, rest = (rest + chunk).split(b"\n") if rest else chunk.split(b"\n")
                        for line in lines:
                            if line:
                                yield line
                finally:
                    drop(response)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise self._unreachable(error) from error

    async def close(self) -> None:
        for session in {*self._under_way, *([self._session] if self._session is not None else [])}:
            await session.close()
        self._session = None
        self._under_way.clear()

    @asynccontextmanager
    async def _session_for_one(self) -> AsyncIterator[aiohttp.ClientSession]:
        """The session for one request; one that was replaced is closed after its last."""
        if self._config.again is not None and self._watched.changed():
            await self._take_up()
        session = self._open()
        self._under_way[session] += 1
        try:
            yield session
        finally:
            self._under_way[session] -= 1
            if not self._under_way[session]:
                del self._under_way[session]
                if session is not self._session:
                    await session.close()

    async def _take_up(self) -> None:
        """Makes what the files say now the configuration; the old one stays when they cannot be used (yet)."""
        assert self._config.again is not None
        watched = Watched(self._config.files)
        try:
            config = self._config.again()
            ssl_context(config)
        except BadConfig as error:
            log.warning("the old client configuration stays error=%s", error)
            return
        self._watched = watched if config.files == self._config.files else Watched(config.files)
        old, self._session, self._config = self._session, None, config
        if old is not None and not self._under_way[old]:
            del self._under_way[old]
            await old.close()
        log.info("client configuration taken up server=%s", config.server)

    def _open(self) -> aiohttp.ClientSession:
        """The session, made on first use because aiohttp wants a running loop."""
        if self._session is None:
            headers = {"User-Agent": self._config.user_agent}
            if self._config.token:
                headers["Authorization"] = f"Bearer {self._config.token}"
            connector = aiohttp.TCPConnector(
                limit=0, ssl=ssl_context(self._config), keepalive_timeout=90, socket_factory=sockets.made
            )
            timeout = aiohttp.ClientTimeout(total=self._config.request_seconds, sock_connect=10)
            self._session = aiohttp.ClientSession(
                connector=connector, headers=headers, timeout=timeout, read_bufsize=CHUNK_BYTES, auto_decompress=True
            )
        return self._session

    def _url(self, path: str) -> URL:
        return URL(self._config.server.rstrip("/") + path, encoded=True)

    def _unreachable(self, error: BaseException) -> Unreachable:
        return Unreachable(f"{self._config.server}: {error or type(error).__name__}")


def drop(response: aiohttp.ClientResponse) -> None:
    """Ends the connection of an answer that was not read to its end, at once.

    A TLS shutdown would wait for the server, and keep the socket past its session and its event loop.
    """
    connection = response.connection
    if connection is not None and connection.transport is not None:
        connection.transport.abort()


def ssl_context(config: ClientConfig) -> ssl.SSLContext | bool:
    """TLS settings for aiohttp; raises BadConfig when the certificates cannot be used."""
    if not config.server.startswith("https:"):
        return True
    try:
        context = ssl.create_default_context(cadata=config.ca.decode() if config.ca else None)
        if config.insecure_skip_tls_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if config.cert and config.key:
            with tempfile.NamedTemporaryFile(prefix="sampan-client-") as pair:
                pair.write(config.cert + b"\n" + config.key)
                pair.flush()
                context.load_cert_chain(pair.name)
    except (ssl.SSLError, ValueError) as error:
        raise BadConfig(f"certificates for {config.server}: {error}") from error
    return context
