"""The four ways to ask a container something: run a command, HTTP, TCP, gRPC health; for probes and lifecycle hooks.

`Handlers` is the seam: probes and hooks decide, this asks. The texts of answers are upstream's, for they are what the
Unhealthy event shows.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from sampan.aio.clock import Clock
from sampan.cri.errors import RuntimeFailure, RuntimeTimeout
from sampan.cri.interface import Runtime
from sampan.kubelet import grpchealth, httpget
from sampan.kubelet.httpwire import BODY_BYTES

FAILURE_STATUS = 400


class Answer(NamedTuple):
    """What the container said; a `warning` counts as well but is worth an event. `status` is HTTP's, 0 for none."""

    ok: bool
    text: str = ""
    warning: bool = False
    status: int = 0


class Unanswered(Exception):
    """The container could not be asked, through no fault of its own that we know of: it says nothing about it."""


class Handlers(Protocol):
    """`timeout` is in seconds. What the container does wrong is an Answer; Unanswered says that it was not asked."""

    async def exec(self, container_id: str, command: Sequence[str], timeout: float) -> Answer: ...

    async def http(self, url: str, headers: Sequence[tuple[str, str]], timeout: float) -> Answer: ...

    async def tcp(self, host: str, port: int, timeout: float) -> Answer: ...

    async def grpc(self, host: str, port: int, service: str, timeout: float) -> Answer: ...


class NodeHandlers:
    """Asks from the node itself, as upstream's kubelet does."""

    def __init__(self, runtime: Runtime, clock: Clock) -> None:
        self._runtime = runtime
        self._clock = clock

    async def exec(self, container_id: str, command: Sequence[str], timeout: float) -> Answer:
        try:
            result = await self._runtime.exec_sync(container_id, command, timeout)
        except RuntimeTimeout:
            return Answer(False, f"command timed out: {' '.join(command)!r} timed out after {timeout:g}s")
        except RuntimeFailure as error:
            raise Unanswered(error.told) from None
        output = (result.stdout + result.stderr)[:BODY_BYTES].decode(errors="replace")
        return Answer(result.exit_code == 0, output)

    async def http(self, url: str, headers: Sequence[tuple[str, str]], timeout: float) -> Answer:
        try:
            status, body = await self._clock.wait_for(httpget.get(url, headers), timeout)
        except httpget.Redirected as error:
            return Answer(True, str(error), warning=True)
        except TimeoutError:
            late = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
            return Answer(False, f'Get "{url}": {late}')
        except (OSError, ValueError) as error:
            return Answer(False, f'Get "{url}": {error}')
        if 200 <= status < FAILURE_STATUS:
            return Answer(True, body, status=status)
        return Answer(False, f"HTTP probe failed with statuscode: {status}", status=status)

    async def tcp(self, host: str, port: int, timeout: float) -> Answer:
        try:
            _, writer = await self._clock.wait_for(asyncio.open_connection(host, port), timeout)
        except TimeoutError:
            return Answer(False, f"dial tcp {host}:{port}: i/o timeout")
        except OSError as error:
            return Answer(False, httpget.refusal(host, port, error))
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return Answer(True)

    async def grpc(self, host: str, port: int, service: str, timeout: float) -> Answer:
        wrong = await grpchealth.check(host, port, service, timeout, self._clock)
        return Answer(not wrong, wrong)
