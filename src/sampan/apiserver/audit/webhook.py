"""Events posted to another program, as an EventList (audit.k8s.io/v1).

A failure that may pass (no connection, HTTP 429 and 5xx) is tried again, with growing pauses; then the events are lost.
https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/#webhook-backend
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from sampan.aio.clock import Clock
from sampan.apiserver import outgoing
from sampan.apiserver.audit.sinks import Event
from sampan.apiserver.auth.webhook.review import PASSING, Poster
from sampan.apiserver.outgoing import Unreachable
from sampan.codec import kubeconfig

SECONDS = 30.0
ATTEMPTS, FACTOR, JITTER = 5, 1.5, 0.2
HEAD, TAIL = b'{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[', b"]}"


class Webhook:
    """`deliver` posts."""

    def __init__(self, poster: Poster, url: str, *, clock: Clock, rng: random.Random, first_pause: float) -> None:
        self._poster = poster
        self._url = url
        self._clock = clock
        self._rng = rng
        self._pause = first_pause

    async def deliver(self, events: Sequence[Event]) -> None:
        """Raises OSError in words that tell nothing of what was sent."""
        body = HEAD + b",".join(event.line.rstrip() for event in events) + TAIL
        pause = self._pause
        for _ in range(1, ATTEMPTS):
            try:
                return await self._once(body)
            except Unreachable:
                await self._clock.sleep(pause * (1 + JITTER * self._rng.random()))
                pause *= FACTOR
        try:
            await self._once(body)
        except Unreachable as error:
            raise OSError(str(error)) from None

    async def close(self) -> None:
        await self._poster.close()

    async def _once(self, body: bytes) -> None:
        code, _ = await self._poster.post(self._url, body)
        if code in PASSING:
            raise Unreachable(f"webhook {self._url}: HTTP {code}")
        if not 200 <= code < 300:
            raise OSError(f"webhook {self._url}: HTTP {code}")


def configured(file: Path, *, clock: Clock, rng: random.Random, first_pause: float) -> Webhook:
    """Raises ValueError for a file that is no kubeconfig."""
    read = kubeconfig.load(file)
    poster = outgoing.caller(read, seconds=SECONDS)
    return Webhook(poster, read.server, clock=clock, rng=rng, first_pause=first_pause)
