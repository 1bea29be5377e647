"""One watch of etcd's over the whole key space, as batches of events."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import grpc.aio

from sampan.store.errors import Compacted, Unavailable
from sampan.store.etcd.connection import Connection, Member
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
        except grpc.aio.AioRpcError as error:
            assert self._member is not None, "only an open stream fails so"
            raise await self._connection.stream_failed(error, self._member) from None
        except asyncio.InvalidStateError:
            raise Unavailable("the stream from etcd has ended") from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                self.close()
                raise
            # The call, and not its reader, was cancelled: the connection has left the member.
            raise Unavailable("the etcd member was left") from None

    def close(self) -> None:
        if self._call is not None:
            self._call.cancel()

    async def _next(self) -> Batch:
        if self._call is None:
            self._call, self._member = await self._connection.stream("watch")
            await self._call.write(self._request)
        found: list[Event] = []
        while True:
            response = await self._call.read()
            if response is grpc.aio.EOF:
                raise Unavailable("etcd ended the watch")
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
