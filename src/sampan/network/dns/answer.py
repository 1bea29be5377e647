"""An answer made before it is asked for: all its bytes but the query's identifier and question.

The parts behind the header do not depend on the query, since owners point to the question and other names are written
out; of the header only two bits do, which gives four ready-made ones. What remains for each query is to join four
pieces. Address records all have one length, so that they can be turned by slicing (clients take the first one; turning
spreads them) and cut when they do not fit.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache

from sampan.network.dns.wire import AA, CD, NOERROR, QR, RA, RD, TC, UDP_SIZE, Query


class Answer:
    """`answers`, `authority` and `additional` are encoded records; `authoritative` sets AA."""

    __slots__ = ("additional", "answers", "authority", "body", "heads", "rcode", "stride", "total")

    def __init__(
        self,
        answers: Sequence[bytes] = (),
        *,
        rcode: int = NOERROR,
        authority: Sequence[bytes] = (),
        additional: Sequence[bytes] = (),
        turns: bool = False,
    ) -> None:
        self.rcode = rcode
        self.answers = tuple(answers)
        self.authority = tuple(authority)
        self.additional = tuple(additional)
        self.stride = len(answers[0]) if turns and len(answers) > 1 else 0
        self.total = len(b"".join(answers))
        self.body = b"".join((*answers, *authority, *additional))
        self.heads = heads(rcode, len(self.answers), len(self.authority), len(self.additional))

    def respond(self, data: bytes, end: int, opt: bytes, limit: int, turn: int) -> bytes:
        """The whole message. `end`: offset behind the question; `opt`: its OPT record or none; `limit`: bytes it may
        have; `turn`: any number."""
        body = self.body
        if self.stride:
            cut = turn % len(self.answers) * self.stride
            body = body[cut : self.total] + body[:cut] + body[self.total :]
        if len(body) + end + 11 > limit:
            return self._cut(data, end, opt, limit, turn)
        head = self.heads[(data[2] & 1) | (2 if opt else 0)]
        return data[:2] + head + data[12:end] + body + opt

    def to(self, query: Query, *, tcp: bool = False, turn: int = 0) -> bytes:
        """The whole message for a query that came by UDP or TCP."""
        limit = 65535 if tcp else min(query.size, UDP_SIZE)
        answer = self.respond(query.data, query.end, query.opt, limit, turn)
        if query.data[3] & CD:
            answer = answer[:3] + bytes((answer[3] | CD,)) + answer[4:]
        return answer

    def _cut(self, data: bytes, end: int, opt: bytes, limit: int, turn: int) -> bytes:
        """Leaves out additional records first, which is no loss; then answers, with TC set (RFC 2181 section 9)."""
        room = limit - end - len(opt) - len(b"".join(self.authority))
        start = turn % len(self.answers) if self.stride else 0
        kept: list[bytes] = []
        for record in (*self.answers[start:], *self.answers[:start]):
            room -= len(record)
            if room < 0:
                break
            kept.append(record)
        whole = len(kept) == len(self.answers)
        flags = self.rcode | (0 if whole else TC)
        head = heads(flags, len(kept), len(self.authority), 0)[(data[2] & 1) | (2 if opt else 0)]
        body = b"".join((*kept, *self.authority))
        return data[:2] + head + data[12:end] + body + opt


@lru_cache(4096)
def heads(flags: int, answers: int, authority: int, additional: int) -> tuple[bytes, ...]:
    """Header bytes 2 to 12, by (recursion desired, EDNS): few, and shared by all answers of a size."""
    counts = ((edns, rd) for edns in (0, 1) for rd in (0, RD))
    return tuple(
        struct.pack(">HHHHH", QR | AA | RA | flags | rd, 1, answers, authority, additional + edns)
        for edns, rd in counts
    )
