"""One HTTP request and the forms its answer may take.

An `Exchange` is what the connection hands to the handler: raw bytes, decoded only where somebody looks. The handler
gives back a `Response` at once (the read path: no task, no future is made), or an awaitable of one when it has to wait.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

from sampan.aio.tunnel import Takeover

ONCE: Mapping[bytes, Sequence[bytes]] = MappingProxyType({})
"""No header came several times."""


class Peer(Protocol):
    """What a handler may ask about the other end of the connection."""

    def certificate(self) -> dict[str, Any] | None:
        """The verified client certificate as `ssl.SSLSocket.getpeercert` gives it; None without one."""

    def encoded_certificate(self) -> bytes | None:
        """The same certificate as DER."""

    def is_unverified(self) -> bool:
        """Whether a certificate was shown that no authority vouches for."""

    def address(self) -> str:
        """The client's IP address, or "" where there is no socket."""


class Exchange:
    """One request as it came over the wire.

    `target` is the request target (path and query, still percent-encoded); header names are lower case; `body` is
    complete. `chunked` says that the client knows chunked transfer (it speaks HTTP/1.1). `identity` is told in the
    answer's head (`Audit-Id`); b"" where there is no connection to tell it on. `repeated` holds what came of a header
    that came several times; `headers` has that in one, with commas. `arrived` is when it was complete, by the monotonic
    clock; infinity where it did not come over a connection. `begun` is what the handler's owner keeps of a request it
    was shown before its body.
    """

    __slots__ = (
        "arrived",
        "begun",
        "body",
        "chunked",
        "headers",
        "identity",
        "keep_alive",
        "method",
        "peer",
        "repeated",
        "target",
    )

    def __init__(
        self,
        *,
        method: str,
        target: str,
        headers: dict[bytes, bytes],
        body: bytes = b"",
        peer: Peer | None = None,
        keep_alive: bool = True,
        chunked: bool = True,
        identity: bytes = b"",
        repeated: Mapping[bytes, Sequence[bytes]] = ONCE,
        arrived: float = math.inf,
    ) -> None:
        self.arrived = arrived
        self.begun: Any = None
        self.chunked = chunked
        self.repeated = repeated
        self.identity = identity
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body
        self.peer = peer
        self.keep_alive = keep_alive

    def header(self, name: bytes) -> str:
        """The header's value, "" when it is absent. `name` in lower case."""
        return self.headers.get(name, b"").decode("latin-1")

    def values(self, name: bytes) -> Sequence[bytes]:
        """A header's values, each as it came: in a name a comma is a part of it."""
        found = self.repeated.get(name)
        if found is not None:
            return found
        return (self.headers[name],) if name in self.headers else ()


class Response:
    """A complete answer. `body` may be several pieces, which are written one after the other without being joined."""

    __slots__ = ("body", "content_type", "headers", "status")

    def __init__(
        self,
        status: int,
        body: bytes | list[bytes],
        content_type: bytes = b"application/json",
        headers: list[tuple[bytes, bytes]] | None = None,
    ) -> None:
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers = headers

    def whole(self) -> bytes:
        """The body in one piece."""
        return self.body if isinstance(self.body, bytes) else b"".join(self.body)

    def length(self) -> int:
        """The body's length in bytes."""
        return len(self.body) if isinstance(self.body, bytes) else sum(map(len, self.body))

    def add_header(self, name: bytes, value: bytes) -> None:
        """Append a header; the same name may be there several times (`Warning`)."""
        if self.headers is None:
            self.headers = []
        self.headers.append((name, value))


class Stream:
    """An answer of unknown length. `chunks` ends the answer by ending;

    the connection closes it (`aclose`) when the client goes.
    """

    __slots__ = ("chunks", "content_type", "headers", "status")

    def __init__(
        self,
        chunks: AsyncIterator[bytes],
        content_type: bytes = b"application/json",
        headers: list[tuple[bytes, bytes]] | None = None,
        status: int = 200,
    ) -> None:
        self.status = status
        self.chunks = chunks
        self.content_type = content_type
        self.headers = headers


class Sink(Protocol):
    """Where a feed's pieces go."""

    @property
    def paused(self) -> bool:
        """The client reads too slowly: what is sent now only fills memory. `Feed.resume` tells of the end of it."""

    def send(self, piece: bytes) -> None:
        """Write one piece. The same piece given to many sinks one after the other is framed once."""

    def end(self) -> None:
        """The answer is complete."""

    def abort(self) -> None:
        """The answer cannot be completed: drop the connection."""


class Feed(Protocol):
    """An answer of unknown length whose source calls when it has something: no task, no wake-up, no queue of its own.

    `open` is called once, then `resume` whenever the sink is no longer paused, and `close` when the client has gone.
    After `Sink.end`, `Sink.abort` or `close` nothing more is called or sent.
    """

    content_type: bytes
    status: int

    def open(self, sink: Sink) -> None: ...

    def resume(self) -> None: ...

    def close(self) -> None: ...


Answer = Response | Stream | Feed | Takeover
Preview = Callable[[Exchange], Response | None]
Handler = Callable[[Exchange], Answer | Awaitable[Answer]]
