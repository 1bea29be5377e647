"""Requests with large bodies, kept from standing in everybody else's way.

Reading, merging and judging an object costs in proportion to its values, not to its bytes: three megabytes of `[{},{},`
are a million containers. In the event loop that would be seconds in which nobody is answered, and many at a time would
be gigabytes. So bodies from `HEAVY_BYTES` on are bounded in values, taken a few at a time, and what computes on them
runs in a thread, between which and the event loop the interpreter switches.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from sampan.api.errors import RequestEntityTooLarge

if TYPE_CHECKING:
    from sampan.apiserver.http.exchange import Answer
    from sampan.apiserver.request import Request

HEAVY_BYTES = 128 * 1024
AT_ONCE = 2
MAXIMUM_VALUES = 250_000
"""More than an object of 1.5 MB, the largest that is stored upstream, has in practice."""
SWITCH_SECONDS = 0.001
"""The interpreter's switch interval: how long a computing thread keeps the event loop waiting at a time."""

T = TypeVar("T")


def is_heavy(request: Request) -> bool:
    """Whether the request's body is large, and arrived where others wait."""
    return len(request.exchange.body) >= HEAVY_BYTES and request.server.listening


async def work(request: Request, function: Callable[..., T], *arguments: object) -> T:
    """`function(*arguments)`, in a thread when the request is heavy."""
    if not is_heavy(request):
        return function(*arguments)
    return await asyncio.to_thread(function, *arguments)


async def in_turn(request: Request, dispatch: Callable[[Request], Answer | Awaitable[Answer]]) -> Answer:
    """Answer a heavy request when it is its turn. Raises RequestEntityTooLarge."""
    async with request.server.heavy_turns:
        await asyncio.to_thread(check, request.exchange.body)
        answer = dispatch(request)
        return await answer if isinstance(answer, Awaitable) else answer


def check(body: bytes) -> None:
    """Refuse JSON with more values than any object has. Raises RequestEntityTooLarge.

    Other forms are bounded where they are decoded. The count is of the characters that separate values, outside
    strings.
    """
    if body[:1] not in (b"{", b"[") and body[:64].lstrip()[:1] not in (b"{", b"["):
        return
    if _separators(body) <= MAXIMUM_VALUES:
        return
    outside = body.replace(rb"\\", b"").replace(rb"\"", b"").split(b'"')[::2]
    if _separators(b"".join(outside)) > MAXIMUM_VALUES:
        raise RequestEntityTooLarge(f"Request entity too large: limit is {MAXIMUM_VALUES} values", details={})


def _separators(text: bytes) -> int:
    return text.count(b",") + text.count(b"{") + text.count(b"[")
