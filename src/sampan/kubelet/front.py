"""The first bytes of every connection to the node's server, and the streams among them.

A request to a stream's path that asks for another protocol is answered here, and its connection becomes a tunnel to the
runtime; all else is aiohttp's from its first byte on, which cannot give a connection away to what is no WebSocket.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote, urlsplit

from sampan.aio import shown
from sampan.aio.clock import Clock
from sampan.aio.tunnel import BadAnswer, Refusal, Takeover, dial, request_head
from sampan.kubelet.access.delegated import Access, Refused
from sampan.kubelet.streaming import Streaming

log = logging.getLogger(__name__)
END = b"\r\n\r\n"
MOST_BYTES = 64 * 1024
CONNECT_SECONDS = 10.0
HEAD_SECONDS = 10.0


@dataclass(frozen=True)
class Asked:
    """The head of a request; header names are in lower case, as often as they came."""

    method: str
    target: str
    headers: tuple[tuple[bytes, bytes], ...]

    @property
    def path(self) -> str:
        return unquote(self.target.partition("?")[0])

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    def header(self, name: bytes) -> str:
        return next((value.decode("latin-1") for key, value in self.headers if key == name), "")


def parse(head: bytes) -> Asked | None:
    """None for what is not the head of an HTTP/1.1 request."""
    first, *lines = head.split(b"\r\n")
    words = first.split(b" ")
    if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
        return None
    headers = []
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or name != name.strip():
            return None
        headers.append((name.lower(), value.strip()))
    return Asked(words[0].decode("latin-1"), words[1].decode("latin-1"), tuple(headers))


@dataclass(frozen=True)
class Serving:
    """What the connections of a server share. `others` makes aiohttp's protocol for a connection."""

    streaming: Streaming
    access: Access | None
    clock: Clock
    others: Callable[[], Any]
    tasks: set[asyncio.Task[None]]


class Front(asyncio.Protocol):
    """One connection until it is known what it is for; afterwards the near side of its tunnel."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._transport: Any = None
        self._received = b""
        self._asking = False
        self._tunnel: Takeover | None = None
        self._lost = False

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._patience = asyncio.get_running_loop().call_later(HEAD_SECONDS, self.close)

    def data_received(self, data: bytes) -> None:
        if self._tunnel is not None:
            self._tunnel.receive(data)
            return
        self._received += data
        if self._asking:
            if len(self._received) > MOST_BYTES:
                self._transport.pause_reading()
            return
        head, whole, rest = self._received.partition(END)
        if not whole and len(self._received) <= MOST_BYTES:
            return
        self._patience.cancel()
        asked = parse(head) if whole else None
        if asked is None or not asked.header(b"upgrade") or not self._serving.streaming.serves(asked.path):
            self._give_away()
            return
        self._asking, self._received = True, rest
        task = asyncio.get_running_loop().create_task(self._answer(asked), name="kubelet-stream")
        self._serving.tasks.add(task)
        task.add_done_callback(self._serving.tasks.discard)

    def pause_writing(self) -> None:
        if self._tunnel is not None:
            self._tunnel.pause()

    def resume_writing(self) -> None:
        if self._tunnel is not None:
            self._tunnel.resume()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._patience.cancel()
        if self._tunnel is not None:
            tunnel, self._tunnel = self._tunnel, None
            tunnel.close()

    # the near side of a tunnel

    def forward(self, data: bytes) -> None:
        # One that is ending takes no more, and asyncio's log would tell of each attempt.
        if not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        self._transport.close()

    def pause(self) -> None:
        self._transport.pause_reading()

    def resume(self) -> None:
        self._transport.resume_reading()

    # what it is for

    def _give_away(self) -> None:
        other = self._serving.others()
        received, self._received = self._received, b""
        self._transport.set_protocol(other)
        other.connection_made(self._transport)
        other.data_received(received)

    async def _answer(self, asked: Asked) -> None:
        try:
            tunnel = await self._open(asked)
        except Refused as refused:
            self._refuse(refused.status, refused.text)
            return
        except Exception:
            log.exception("a stream could not be opened path=%s", asked.path)
            self._refuse(500, "internal error\n")
            return
        if self._lost:
            tunnel.close()
            return
        self._transport.write(tunnel.head)
        self._tunnel = tunnel
        early, self._received = self._received, b""
        self._transport.resume_reading()
        tunnel.open(self, early)

    async def _open(self, asked: Asked) -> Takeover:
        """The runtime's stream. Raises Refused."""
        serving = self._serving
        if serving.access is not None:
            certificate = shown.certificate(self._transport)
            await serving.access.check(certificate, asked.header(b"authorization"), asked.method, asked.path)
        url = urlsplit(await serving.streaming.url(asked.path, asked.query))
        kept = [header for header in asked.headers if header[0] not in (b"host", b"authorization")]
        target = f"{url.path}?{url.query}" if url.query else url.path
        request = request_head(target, url.netloc, kept, method=asked.method)
        try:
            answer = await serving.clock.wait_for(
                dial(url.hostname or "127.0.0.1", url.port or 80, request, tls=None), CONNECT_SECONDS
            )
        except (OSError, TimeoutError, BadAnswer) as error:
            raise Refused(500, f"the runtime's stream could not be opened: {error or 'no answer in time'}\n") from None
        if isinstance(answer, Refusal):
            raise Refused(answer.status, f"{answer.text}\n")
        return answer

    def _refuse(self, status: int, text: str) -> None:
        body = text.encode()
        head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        self._transport.write(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        self._transport.close()
