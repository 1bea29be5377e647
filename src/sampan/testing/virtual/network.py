"""A network that loses, delays, repeats and breaks off, by a seed.

What may happen is what TCP and proxies do to a client: a request never arrives, an answer never arrives, both are late,
a watch breaks off, one that is taken up again begins earlier than asked (events come twice) or is answered 410 (what
happened in between is never told, only its outcome). Streams are late each for itself, so events of different
resources overtake each other. Within one watch the order holds, as it does on the wire.
"""

from __future__ import annotations

import random
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from sampan.aio.clock import Clock
from sampan.client.errors import Unreachable
from sampan.client.transport import HttpFailure, Transport

REVISION = re.compile(r"resourceVersion=(\d+)")
GONE = (
    b'{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","code":410,"reason":"Expired",'
    b'"message":"too old resource version (injected)"}'
)


@dataclass(frozen=True, kw_only=True)
class NetworkFaults:
    """Shares are of 1: `lost_requests` and `lost_answers` of requests, `broken_watches` of watch events,
    `repeated_watches` and `expired_watches` of watches opened. `late_seconds` is the most a message takes."""

    lost_requests: float = 0.0
    lost_answers: float = 0.0
    late_seconds: float = 0.0
    broken_watches: float = 0.0
    repeated_watches: float = 0.0
    expired_watches: float = 0.0
    repeated_revisions: int = 50

    @classmethod
    def drawn(cls, rng: random.Random) -> NetworkFaults:
        """Some faults, for a run of many seeds: each kind is there in half of them."""
        share = lambda most: rng.random() * most if rng.random() < 0.5 else 0.0  # noqa: E731
        return cls(
            lost_requests=share(0.1),
            lost_answers=share(0.1),
            late_seconds=share(2.0),
            broken_watches=share(0.1),
            repeated_watches=share(0.5),
            expired_watches=share(0.5),
        )


CALM = NetworkFaults()


class FaultyTransport:
    """A `client.transport.Transport` over another; `faults` may be changed while it runs."""

    def __init__(self, inner: Transport, clock: Clock, rng: random.Random, faults: NetworkFaults = CALM) -> None:
        self._inner = inner
        self._clock = clock
        self._rng = rng
        self.faults = faults

    async def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        await self._late()
        self._maybe(self.faults.lost_requests, "the request was lost")
        answer = await self._inner.request(method, path, headers, body)
        await self._late()
        self._maybe(self.faults.lost_answers, "the answer was lost")
        return answer

    async def stream(self, path: str, headers: Mapping[str, str], seconds: float | None) -> AsyncIterator[bytes]:
        await self._late()
        if self._rng.random() < self.faults.expired_watches:
            raise HttpFailure(410, GONE)
        if self._rng.random() < self.faults.repeated_watches:
            path = REVISION.sub(self._earlier, path)
        async for line in self._inner.stream(path, headers, seconds):
            await self._late()
            self._maybe(self.faults.broken_watches, "the connection broke off")
            yield line

    async def close(self) -> None:
        await self._inner.close()

    def _maybe(self, share: float, what: str) -> None:
        if share and self._rng.random() < share:
            raise Unreachable(f"{what} (injected)")

    async def _late(self) -> None:
        if self.faults.late_seconds:
            await self._clock.sleep(self._rng.random() * self.faults.late_seconds)

    def _earlier(self, match: re.Match[str]) -> str:
        back = self._rng.randrange(self.faults.repeated_revisions + 1)
        return f"resourceVersion={max(1, int(match[1]) - back)}"
