"""The way to the cluster: a connection to each member, one of them in use, and another when that fails.

Any member serves any request. A call goes to the *current* member; if that is not connected, or does not answer, the
next becomes current, and the streams to the old one are ended so that their readers open them anew. A request that
changes something is not sent twice unless the first certainly did nothing: whether it took place is then unknown, and
the caller is told so (`Unavailable`).

All requests demand that the member has a leader (metadata `hasleader`), so a member that was cut off from the others is
left as well, instead of serving a watch that never says anything. Keep-alive pings find hosts that vanished.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from sampan.aio.clock import Clock
from sampan.aio.grpc import RpcError
from sampan.store.errors import StoreError, Unavailable
from sampan.store.etcd import failures
from sampan.store.etcd.member import Credentials, Member
from sampan.store.etcd.messages import pb

log = logging.getLogger(__name__)
CONNECT_SECONDS = 2.0
READ_SECONDS = 3.0
"""After so long without an answer a read is tried at another member."""
PAUSE_SECONDS = 0.1


class Connection:
    """The cluster at `endpoints`. `seconds` is how long a call may take, connecting included.

    `member` makes the way to one endpoint.
    """

    def __init__(
        self,
        endpoints: Sequence[str],
        credentials: Credentials,
        clock: Clock,
        *,
        seconds: float,
        member: Callable[[str, Credentials, Clock], Member] = Member,
    ) -> None:
        if not endpoints:
            raise Unavailable("no etcd endpoint is given: name at least one, as http://host:port")
        self.switches = 0
        self._endpoints = tuple(endpoints)
        self._credentials = credentials
        self._clock = clock
        self._seconds = seconds
        self._member = member
        self._members: list[Member] = []
        self._current = 0
        self._connecting: asyncio.Task[Member] | None = None
        self._metadata: tuple[tuple[str, str], ...] = (("hasleader", "true"),)

    async def open(self) -> None:
        """Connects to any member; raises `Unavailable` when none answers."""
        self._members = [self._member(url, self._credentials, self._clock) for url in self._endpoints]
        await self._ready(self._clock.monotonic() + self._seconds)
        await self.authenticate()

    async def close(self) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
        members, self._members = self._members, []
        for member in members:
            await member.close()

    @property
    def url(self) -> str:
        """The endpoint in use."""
        return self._endpoints[self._current]

    async def call(self, name: str, request: Any, *, repeatable: bool, seconds: float | None = None) -> Any:
        """The answer. `repeatable` says that doing it twice is as good as once.

        Raises `RpcError` for what a member answered, `Unavailable` when none did.
        """
        deadline = self._clock.monotonic() + (seconds or self._seconds)
        authenticated = False
        while True:
            member = await self._ready(deadline)
            limit = max(deadline - self._clock.monotonic(), 0.001)
            if repeatable and len(self._members) > 1:
                limit = min(limit, READ_SECONDS)
            try:
                return await member.calls[name](request, metadata=self._metadata, timeout=limit)
            except RpcError as error:
                if failures.is_stale_token(error) and not authenticated:
                    authenticated = True
                    await self.authenticate()
                elif not await self._again(error, member, repeatable, deadline):
                    raise

    async def _again(self, error: RpcError, member: Member, repeatable: bool, deadline: float) -> bool:
        """Whether to send the request once more; raises `Unavailable` when the member did not answer and not."""
        passing = failures.did_nothing(error)
        if not passing and not failures.is_unreachable(error):
            return False
        self.leave(member, failures.text(error))
        if (passing or repeatable) and self._clock.monotonic() + PAUSE_SECONDS < deadline:
            await self._clock.sleep(PAUSE_SECONDS)
            return True
        raise failures.translated(error, member.url)

    async def stream(self, name: str) -> tuple[Any, Member]:
        """A two-way stream to the current member, which ends when the member is left."""
        member = await self._ready(self._clock.monotonic() + self._seconds)
        call = member.calls[name](metadata=self._metadata)
        member.streams[call] = None
        call.add_done_callback(lambda ended: member.streams.pop(ended, None))
        return call, member

    async def stream_failed(self, error: RpcError, member: Member) -> StoreError:
        """Draws the conclusions from a stream's end, and says it in the store's words."""
        if failures.is_stale_token(error):
            await self.authenticate()
        elif failures.is_unreachable(error):
            self.leave(member, failures.text(error))
        return failures.translated(error, member.url)

    def leave(self, member: Member, reason: str) -> None:
        """Makes the next member current, if this one is."""
        if len(self._members) < 2 or self._members[self._current] is not member:
            return
        self._current = (self._current + 1) % len(self._members)
        self.switches += 1
        log.warning("etcd member left for another member=%s next=%s reason=%s", member.url, self.url, reason)
        member.end_streams()

    async def _ready(self, deadline: float) -> Member:
        if not self._members:
            raise Unavailable("the store is closed")
        member = self._members[self._current]
        if member.is_ready():
            return member
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.get_running_loop().create_task(self._connect(), name="etcd/connect")
        left = deadline - self._clock.monotonic()
        try:
            return await self._clock.wait_for(asyncio.shield(self._connecting), max(left, 0))
        except TimeoutError:
            tried = ", ".join(f"{member.url}: {member.reason}" for member in self._members)
            raise Unavailable(
                f"no etcd member answered within {self._seconds:g} s ({tried}): "
                "check that etcd runs and that the endpoints and certificates are right"
            ) from None

    async def _connect(self) -> Member:
        """The first member that can be connected, beginning with the current one; tries until there is one."""
        while True:
            for offset in range(len(self._members)):
                place = (self._current + offset) % len(self._members)
                member = self._members[place]
                if await member.connect(CONNECT_SECONDS):
                    if offset:
                        self.leave(self._members[self._current], "not connected")
                        self._current = place
                    return member
            await self._clock.sleep(PAUSE_SECONDS)

    async def authenticate(self) -> None:
        """Gets a new token, if there is a user."""
        if not self._credentials.user:
            return
        request = pb.AuthenticateRequest(name=self._credentials.user, password=self._credentials.password)
        self._metadata = (("hasleader", "true"),)
        try:
            answer = await self.call("authenticate", request, repeatable=True)
        except RpcError as error:
            raise failures.translated(error, self.url) from None
        self._metadata = (("hasleader", "true"), ("token", answer.token))
