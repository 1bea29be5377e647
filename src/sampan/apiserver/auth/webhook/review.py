"""One question to a webhook: a review is posted, and comes back with its status.

A failure that may pass (no connection, HTTP 429 and 5xx) is tried again, with growing pauses, within the time the
caller has. https://kubernetes.io/docs/reference/access-authn-authz/webhook/
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from sampan.aio.backoff import Backoff
from sampan.aio.clock import Clock
from sampan.apiserver.outgoing import Unreachable

ATTEMPTS = 5
FIRST_PAUSE_SECONDS = 0.25
PASSING = frozenset({429, 500, 502, 503, 504})


class Poster(Protocol):
    """Who posts: `outgoing.Caller`."""

    async def post(self, url: str, body: bytes) -> tuple[int, bytes]: ...

    async def close(self) -> None: ...


class Webhook:
    """`seconds` bound one question with all its attempts."""

    def __init__(
        self,
        poster: Poster,
        url: str,
        *,
        clock: Clock,
        rng: random.Random,
        seconds: float,
        attempts: int = ATTEMPTS,
    ) -> None:
        self._poster = poster
        self._url = url
        self._clock = clock
        self._rng = rng
        self._seconds = seconds
        self._attempts = attempts

    async def status(self, review: Mapping[str, Any]) -> dict[str, Any]:
        """The status of the answered review. Raises Unreachable, in words that tell nothing of what was asked."""
        body = msgspec.json.encode(review)
        try:
            return await self._clock.wait_for(self._tried(body, str(review["kind"])), self._seconds)
        except TimeoutError:
            raise Late(f"webhook {self._url}: no answer within {self._seconds:g} s") from None

    async def close(self) -> None:
        await self._poster.close()

    async def _tried(self, body: bytes, kind: str) -> dict[str, Any]:
        backoff = Backoff(base=FIRST_PAUSE_SECONDS, cap=10.0, rng=self._rng, jitter=0.2)
        for attempt in range(1, self._attempts):
            try:
                return await self._once(body, kind)
            except Unusable:
                raise
            except Unreachable:
                await self._clock.sleep(backoff.delay(attempt))
        return await self._once(body, kind)

    async def _once(self, body: bytes, kind: str) -> dict[str, Any]:
        code, answer = await self._poster.post(self._url, body)
        if code in PASSING:
            raise Unreachable(f"webhook {self._url}: HTTP {code}")
        if code not in (200, 201):
            raise Unusable(f"webhook {self._url}: HTTP {code}")
        try:
            review = msgspec.json.decode(answer)
            if review["kind"] == kind and isinstance(review["status"], dict):
                return dict(review["status"])
        except (msgspec.DecodeError, KeyError, TypeError):
            pass
        raise Unusable(f"webhook {self._url}: the answer is no {kind} with a status")


class Unusable(Unreachable):
    """An answer that asking again will not mend."""


class Late(Unreachable):
    """No answer in time."""
