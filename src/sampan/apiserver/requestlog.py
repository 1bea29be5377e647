"""What is logged of requests, and the identity by which a client's request is found in the log again.

One line a request, `key=value`, for those that failed at the server's side or were slow, and from verbosity 3 on
(upstream's `-v=3`) for all. Never written: query parameters, bodies and headers other than the user agent; they hold
selectors, objects and credentials. What a client chose is quoted, so that no line of the log can be forged, and cut.

The identity is upstream's `Audit-ID`: the client's own where it sends one, else a new UUID; every answer tells it.
"""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Mapping

from sampan.apiserver.http.exchange import Answer, Response
from sampan.apiserver.request import Request

log = logging.getLogger(__name__)

SLOW_SECONDS = 1.0
EVERY_FROM = 3
HEADER = b"audit-id"
SHOWN = 64
LONGEST = 300
_VERSION = 4 << 76 | 2 << 62
_RANDOM = (1 << 128) - 1 ^ 15 << 76 ^ 3 << 62


def identity(headers: Mapping[bytes, bytes], rng: random.Random) -> bytes:
    """The client's `Audit-ID`, else a random UUID (RFC 9562, version 4)."""
    given = headers.get(HEADER)
    if given:
        return given
    digits = b"%032x" % (rng.getrandbits(128) & _RANDOM | _VERSION)
    return b"-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


class RequestLog:
    """`verbosity` as upstream's -v."""

    def __init__(self, verbosity: int = 0) -> None:
        self.every = verbosity >= EVERY_FROM
        if self.every:
            log.setLevel(logging.INFO)

    def answered(self, request: Request, answer: Answer, seconds: float) -> None:
        """To be called with every request; writes about few."""
        if answer.status >= 500 or seconds >= SLOW_SECONDS:
            log.warning("request %s", line(request, answer, seconds))
        elif self.every:
            log.info("request %s", line(request, answer, seconds))


def line(request: Request, answer: Answer, seconds: float) -> str:
    """`id="..." method=GET path="/..." ...`; size in bytes, "-" where it is not known before the answer ends."""
    target, exchange = request.target, request.exchange
    resource = f"{target.plural}.{target.group}" if target.group else target.plural
    if target.subresource:
        resource += f"/{target.subresource}"
    size = answer.length() if isinstance(answer, Response) else "-"
    return (
        f"id={quoted(exchange.identity.decode('latin-1'), SHOWN)} method={exchange.method} path={quoted(target.path)} "
        f"user={quoted(request.user.name if request.user is not None else '')} verb={quoted(target.verb)} "
        f"resource={quoted(resource)} code={answer.status} latency={seconds * 1000:.1f}ms size={size} "
        f"agent={quoted(exchange.header(b'user-agent'))}"
    )


def quoted(text: str, longest: int = LONGEST) -> str:
    """In quotes, printable ASCII only, and not longer than `longest` characters before they are escaped."""
    return json.dumps(text[:longest]).replace("\x7f", "\\u007f")
