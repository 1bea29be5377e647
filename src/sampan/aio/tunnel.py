"""Bytes both ways between a client whose connection was taken over and another server that agreed to the upgrade.

`dial` asks the other server; its 101 comes back as a `Tunnel`, anything else as the refusal it is. From then on neither
side is looked into: what one sends is written to the other, a side that does not read stops the other's reading, and
the end of one is the end of both.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

MOST_BYTES = 64 * 1024
MOST_REFUSAL_BYTES = 4096
SWITCHING = 101
END = b"\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"
HEXADECIMAL = re.compile(rb"[0-9A-Fa-f]{1,8}").fullmatch


class Near(Protocol):
    """The client's side of a connection that was handed over: bytes both ways, another protocol's."""

    def forward(self, data: bytes) -> None:
        """Write bytes as they are."""

    def close(self) -> None:
        """End the connection when what was sent is written."""

    def pause(self) -> None:
        """Read no more from the client until `resume`."""

    def resume(self) -> None: ...


class Takeover(ABC):
    """An answer that takes the connection over (RFC 9110, 7.8): its bytes are no longer HTTP.

    `open` is called once, with what the client has sent already; then `receive` with all it sends, `pause` and `resume`
    when it reads too slowly and again, and `close` when it has gone. `head` is what is written first.
    """

    status = 101
    head = b""

    @abstractmethod
    def open(self, near: Near, early: bytes) -> None: ...

    @abstractmethod
    def receive(self, data: bytes) -> None: ...

    @abstractmethod
    def pause(self) -> None: ...

    @abstractmethod
    def resume(self) -> None: ...

    @abstractmethod
    def close(self) -> None: ...


@dataclass(frozen=True)
class Refusal:
    """The other server's answer when it would not upgrade: its status, the beginning of what it says, and what that
    is ("" when it does not tell).
    """

    status: int
    text: str
    content_type: str = ""


class BadAnswer(Exception):
    """The other server did not speak HTTP, or ended the connection before it had answered."""


class Tunnel(Takeover, asyncio.Protocol):
    """The far side. Owned by the connection that it is handed to."""

    def __init__(self) -> None:
        self._near: Near | None = None
        self._far: Any = None
        self._received = b""
        self._answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ended = False

    # asyncio.Protocol, the far side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._far = transport

    def data_received(self, data: bytes) -> None:
        if self._near is not None:
            self._near.forward(data)
            return
        self._received += data
        if not self._answered.done() and is_whole(self._received):
            self._answered.set_result(None)
        if self._answered.done():
            self._far.pause_reading()

    def pause_writing(self) -> None:
        if self._near is not None:
            self._near.pause()

    def resume_writing(self) -> None:
        if self._near is not None:
            self._near.resume()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        if not self._answered.done():
            self._answered.set_result(None)
        if self._near is not None:
            near, self._near = self._near, None
            near.close()

    # Takeover, the near side

    def open(self, near: Near, early: bytes) -> None:
        self._near = near
        rest, self._received = self._received, b""
        if rest:
            near.forward(rest)
        if early:
            self._far.write(early)
        if self._ended:
            self._near = None
            near.close()
        else:
            self._far.resume_reading()

    def receive(self, data: bytes) -> None:
        self._far.write(data)

    def pause(self) -> None:
        if not self._ended:
            self._far.pause_reading()

    def resume(self) -> None:
        if not self._ended:
            self._far.resume_reading()

    def close(self) -> None:
        self._near = None
        if self._far is not None:
            self._far.close()

    # asking

    async def ask(self, request: bytes) -> Refusal | None:
        """Send the request; None when the other server has switched. Raises BadAnswer."""
        self._far.write(request)
        await self._answered
        head, separator, rest = self._received.partition(END)
        status = _status(head) if separator else 0
        if status == SWITCHING:
            self.head, self._received = head + separator, rest
            return None
        if not status:
            raise BadAnswer("it ended the connection" if self._ended else "it did not answer in HTTP/1.1")
        if _is_chunked(head):
            rest = _unchunked(rest)
        text = rest[:MOST_REFUSAL_BYTES].decode("utf-8", "replace").strip()
        return Refusal(status, text, _header(head, b"content-type").decode("latin-1"))


def is_whole(received: bytes) -> bool:
    """Whether there is nothing more to wait for: the other server has switched, or said why not, or says too much."""
    if len(received) > MOST_BYTES:
        return True
    head, separator, rest = received.partition(END)
    if not separator or _status(head) in (0, SWITCHING):
        return bool(separator)
    return rest.endswith(LAST_CHUNK) if _is_chunked(head) else len(rest) >= _length(head)


def _status(head: bytes) -> int:
    """The status in a response's first line, 0 when that is none."""
    words = head.split(b"\r\n", 1)[0].split(b" ", 2)
    fits = len(words) > 1 and words[0].startswith(b"HTTP/1.") and words[1].isdigit() and len(words[1]) == 3
    return int(words[1]) if fits else 0


def _length(head: bytes) -> int:
    """The body's length; what is longer than is read, where it is not told, so that the connection's end is awaited."""
    told = _header(head, b"content-length")
    return int(told[:20]) if told.isdigit() else MOST_BYTES


def _is_chunked(head: bytes) -> bool:
    return _header(head, b"transfer-encoding").lower() == b"chunked"


def _unchunked(body: bytes) -> bytes:
    """What is in a chunked body (RFC 9112, 7.1), up to where it is understood."""
    found = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        if not HEXADECIMAL(size) or not (length := int(size, 16)):
            break
        found, body = found + body[:length], body[length + 2 :]
    return found


def _header(head: bytes, wanted: bytes) -> bytes:
    """The value of a response's header, b"" without one."""
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == wanted:
            return value.strip()
    return b""


def request_head(target: str, host: str, headers: Iterable[tuple[bytes, bytes]], *, method: str = "POST") -> bytes:
    """The request that asks for an upgrade; `headers` are complete but for the host."""
    lines = [f"{method} {target} HTTP/1.1".encode(), b"Host: " + host.encode()]
    lines += [b"%b: %b" % header for header in headers]
    return b"\r\n".join([*lines, b"", b""])


async def dial(
    host: str, port: int, request: bytes, *, tls: ssl.SSLContext | None, name: str | None = None
) -> Tunnel | Refusal:
    """Connect and ask. `name` is whose certificate is wanted, if that is not the host's.

    Raises OSError and BadAnswer; whoever gets a Tunnel closes it.
    """
    loop = asyncio.get_running_loop()
    _, tunnel = await loop.create_connection(Tunnel, host, port, ssl=tls, server_hostname=name if tls else None)
    try:
        refusal = await tunnel.ask(request)
    except BaseException:
        tunnel.close()
        raise
    if refusal is None:
        return tunnel
    tunnel.close()
    return refusal
