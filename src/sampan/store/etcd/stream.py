"""One watch of etcd's over the whole key space, as batches of events."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

from sampan.aio.grpc import RpcError
from sampan.store.errors import Compacted, Unavailable
from sampan.store.etcd.connection import Connection
from sampan.store.etcd.member import Member
from sampan.store.etcd.messages import Keyspace, pb
from sampan.store.interface import Event


class Batch(NamedTuple):
    """Changes in revision order, all of a commit together; without any, etcd says that it has none up to `revision`."""

    events: list[Event]
    revision: int


class Stream:
    """Changes from revision `start` on.

    etcd cuts what is large into fragments, which are put together again here, because it may cut within a commit.
    """

    def __init__(self, connection: Connection, keyspace: Keyspace, start: int, *, previous: bool) -> None:
        self._connection = connection
        self._keyspace = keyspace
        key, end = keyspace.bounds
        self._request = pb.WatchRequest(
            create_request=pb.WatchCreateRequest(
                key=key,
                range_end=end,
                start_revision=max(start, 1),
                progress_notify=True,
                prev_kv=previous,
                fragment=True,
            )
        )
        self._call: Any = None
        self._member: Member | None = None

    async def next(self) -> Batch:
        """Raises `Compacted`, or `Unavailable` when the stream ended; it is of no further use then."""
        try:
            return await self._next()
        except RpcError as error:
            assert self._member is not None, "only an open stream fails so"
            raise await self._connection.stream_failed(error, self._member) from None
        except asyncio.CancelledError:
            self.close()
            raise

    def close(self) -> None:
        if self._call is not None:
            self._call.cancel()

    async def _next(self) -> Batch:
        if self._call is None:
            self._call, self._member = await self._connection.stream("watch")
            self._call.write(self._request)
        found: list[Event] = []
        while True:
            response = await self._call.read()
            if response is None:
                raise Unavailable("the watch of etcd has ended")
            if response.canceled:
                raise await self._ended(response)
            if response.created:
                continue
            found += map(self._keyspace.event, response.events)
            if not response.fragment:
                return Batch(found, found[-1].revision if found else response.header.revision)

    async def _ended(self, response: Any) -> Compacted | Unavailable:
        self.close()
        if response.compact_revision:
            return Compacted(response.compact_revision)
        # etcd says "permission denied" to a watch whose token has ended.
        await self._connection.authenticate()
        return Unavailable(f"etcd ended the watch: {response.cancel_reason or 'no reason given'}")
