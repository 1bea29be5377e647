"""The four ways to ask a container something: run a command, HTTP, TCP, gRPC health; for probes and lifecycle hooks.

`Handlers` is the seam: probes and hooks decide, this asks. An answer is `(ok, text)`; the texts are upstream's, for
they are what the Unhealthy event shows.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Sequence
from typing import Any, Protocol

import aiohttp
import grpc
import grpc.aio

from sampan.aio.clock import Clock
from sampan.cri.errors import RuntimeFailure, RuntimeTimeout
from sampan.cri.interface import Runtime

Answer = tuple[bool, str]
BODY_BYTES = 10 << 10
AGENT = "kube-probe/1.36"
SERVING = 1
HEALTH_CHECK = "/grpc.health.v1.Health/Check"


class Handlers(Protocol):
    """No method raises for what the container does wrong; `timeout` is in seconds."""

    async def exec(self, container_id: str, command: Sequence[str], timeout: float) -> Answer: ...

    async def http(self, url: str, headers: Sequence[tuple[str, str]], timeout: float) -> Answer: ...

    async def tcp(self, host: str, port: int, timeout: float) -> Answer: ...

    async def grpc(self, host: str, port: int, service: str, timeout: float) -> Answer: ...


class NodeHandlers:
    """Asks from the node itself, as upstream's kubelet does."""

    def __init__(self, runtime: Runtime, clock: Clock) -> None:
        self._runtime = runtime
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def exec(self, container_id: str, command: Sequence[str], timeout: float) -> Answer:
        try:
            result = await self._runtime.exec_sync(container_id, command, timeout)
        except RuntimeTimeout:
            return False, f"command timed out: {' '.join(command)!r} timed out after {timeout:g}s"
        except RuntimeFailure as error:
            return False, f"rpc error: {error}"
        output = (result.stdout + result.stderr)[:BODY_BYTES].decode(errors="replace")
        return result.exit_code == 0, output

    async def http(self, url: str, headers: Sequence[tuple[str, str]], timeout: float) -> Answer:
        try:
            return await self._clock.wait_for(self._get(url, headers), timeout)
        except TimeoutError:
            return False, f'Get "{url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return False, f'Get "{url}": {error}'

    async def _get(self, url: str, headers: Sequence[tuple[str, str]]) -> Answer:
        named = {name.lower() for name, _ in headers}
        defaults = [("User-Agent", AGENT), ("Accept", "*/*"), ("Connection", "close")]
        sent = [*((name, value) for name, value in defaults if name.lower() not in named), *headers]
        async with self._client().get(url, headers=sent, ssl=insecure(url), allow_redirects=True) as response:
            body = (await response.content.read(BODY_BYTES)).decode(errors="replace")
            if 200 <= response.status < 400:
                return True, body
            return False, f"HTTP probe failed with statuscode: {response.status}"

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(force_close=True, limit=0)
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self._session

    async def tcp(self, host: str, port: int, timeout: float) -> Answer:
        try:
            _, writer = await self._clock.wait_for(asyncio.open_connection(host, port), timeout)
        except TimeoutError:
            return False, f"dial tcp {host}:{port}: i/o timeout"
        except OSError as error:
            return False, f"dial tcp {host}:{port}: connect: {(error.strerror or str(error)).lower()}"
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return True, ""

    async def grpc(self, host: str, port: int, service: str, timeout: float) -> Answer:
        async with grpc.aio.insecure_channel(f"{host}:{port}", [("grpc.enable_http_proxy", 0)]) as channel:
            check: Any = channel.unary_unary(HEALTH_CHECK)
            try:
                answer = await check(health_request(service), timeout=timeout)
            except grpc.aio.AioRpcError as error:
                return (
                    False,
                    f'service unhealthy or unreachable "{host}:{port}": {error.code().name}: {error.details()}',
                )
        serving = answer[:2] == bytes((0x08, SERVING))
        return serving, "" if serving else f"service unhealthy (responded with {answer.hex() or 'UNKNOWN'})"


def health_request(service: str) -> bytes:
    """A grpc.health.v1.HealthCheckRequest, whose one field is short enough to be written by hand."""
    name = service.encode()
    return b"\x0a" + bytes((len(name),)) + name if 0 < len(name) < 128 else b""


def insecure(url: str) -> ssl.SSLContext | bool:
    """Probes do not verify certificates: the container's own is what it is."""
    if not url.startswith("https"):
        return True
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
