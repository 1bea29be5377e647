"""The edge where a request becomes bytes on a TLS connection: aiohttp, keep-alive, client certificates.

`Transport` is the seam: another one can hand requests to an API server in the same process without a socket.
"""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import aiohttp
from yarl import URL

from sampan.client.errors import BadConfig, Unreachable

CHUNK_BYTES = 1 << 18


@dataclass(frozen=True, kw_only=True)
class ClientConfig:
    """Where the API server is and who we are there. `ca`, `cert` and `key` are PEM bytes.

    `ca` None means the machine's own trust store; `cert` with `key` and `token` are each optional.
    """

    server: str
    ca: bytes | None = None
    cert: bytes | None = None
    key: bytes | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    insecure_skip_tls_verify: bool = False
    server_name: str | None = None
    namespace: str = "default"
    request_seconds: float = 60.0
    user_agent: str = "sampan"


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
    """One aiohttp session; connections are kept and reused."""

    def __init__(self, config: ClientConfig) -> None:
        self._config = config
        self._session: aiohttp.ClientSession | None = None

    async def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        try:
            session, name = self._open(), self._config.server_name
            async with session.request(
                method, self._url(path), headers=headers, data=body or None, server_hostname=name
            ) as response:
                return response.status, await response.read()
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise self._unreachable(error) from error

    async def stream(self, path: str, headers: Mapping[str, str], seconds: float | None) -> AsyncIterator[bytes]:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=seconds)
        try:
            session, name = self._open(), self._config.server_name
            async with session.get(self._url(path), headers=headers, timeout=timeout, server_hostname=name) as response:
                if response.status != 200:
                    raise HttpFailure(response.status, await response.read())
                rest = b""
                async for chunk in response.content.iter_any():
                    *lines, rest = (rest + chunk).split(b"\n") if rest else chunk.split(b"\n")
                    for line in lines:
                        if line:
                            yield line
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise self._unreachable(error) from error

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        """The session, made on first use because aiohttp wants a running loop."""
        if self._session is None:
            headers = {"User-Agent": self._config.user_agent}
            if self._config.token:
                headers["Authorization"] = f"Bearer {self._config.token}"
            connector = aiohttp.TCPConnector(limit=0, ssl=ssl_context(self._config), keepalive_timeout=90)
            timeout = aiohttp.ClientTimeout(total=self._config.request_seconds, sock_connect=10)
            self._session = aiohttp.ClientSession(
                connector=connector, headers=headers, timeout=timeout, read_bufsize=CHUNK_BYTES, auto_decompress=True
            )
        return self._session

    def _url(self, path: str) -> URL:
        return URL(self._config.server.rstrip("/") + path, encoded=True)

    def _unreachable(self, error: BaseException) -> Unreachable:
        return Unreachable(f"{self._config.server}: {error or type(error).__name__}")


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
