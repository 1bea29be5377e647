"""Lists that are too large to be made in one go: their JSON piece by piece, each on its way before the next is made.

A list of 150,000 pods is a third of a gigabyte. The entries it shows are in the cache anyway; joined, framed and
encrypted at once they would be there four times, and nobody would be answered meanwhile. In pieces, a client that does
not read holds what is in its socket's buffers, and what others ask is answered between two pieces.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

from sampan.apiserver import warningheaders
from sampan.apiserver.http.exchange import Stream
from sampan.apiserver.request import Request
from sampan.store.cache import Entry

WHOLE_ENTRIES = 1000
WHOLE_BYTES = 4 << 20
PIECE_BYTES = 128 << 10


def is_large(page: Sequence[Entry]) -> bool:
    """Whether a list is to be sent in pieces."""
    return len(page) > WHOLE_ENTRIES or sum([len(entry.data) for entry in page]) > WHOLE_BYTES


def stream(request: Request, head: bytes, page: Sequence[Entry], item: Callable[[Entry], bytes]) -> Stream:
    """The list that begins with `head`, compressed if the client likes.

    `item` is an entry's JSON without its opening brace (the separator of items brings it, and nothing is copied twice).
    """
    pieces = joined(head, map(item, page))
    headers = [(b"Warning", warning) for warning in warningheaders.of(request.warnings)]
    if b"gzip" in request.exchange.headers.get(b"accept-encoding", b""):
        pieces = compressed(pieces)
        headers += [(b"Content-Encoding", b"gzip"), (b"Vary", b"Accept-Encoding")]
    return Stream(_in_turns(pieces), headers=headers)


def whole(head: bytes, page: Sequence[Entry], item: Callable[[Entry], bytes]) -> list[bytes]:
    """The same list at once."""
    if not page:
        return [head + b"]}"]
    return [head + b"{", b",{".join([item(entry) for entry in page]), b"]}"]


def joined(head: bytes, items: Iterator[bytes]) -> Iterator[bytes]:
    """`head`, the items and the end of a list, in pieces of about `PIECE_BYTES`."""
    parts, size = [head], 0
    begin = b"{"
    for item in items:
        parts += (begin, item)
        begin = b",{"
        size += len(item)
        if size >= PIECE_BYTES:
            yield b"".join(parts)
            parts, size = [], 0
    yield b"".join((*parts, b"]}"))


def compressed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The pieces as one gzip member (RFC 1952)."""
    compressor = zlib.compressobj(1, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    for piece in pieces:
        if out := compressor.compress(piece):
            yield out
    yield compressor.flush()


async def _in_turns(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
        await asyncio.sleep(0)
