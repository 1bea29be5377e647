"""Which API servers live: each keeps a key with a lease, `/registry/masterleases/<address>`, as upstream's do.

A server renews its lease while it runs. One that dies renews no more, and the store deletes its key when the lease has
ended; one that stops in good order deletes its own. Whoever lists the keys sees the servers that live.

Renewing writes nothing: etcd keeps the time of leases in memory, and so do we.
"""

from __future__ import annotations

import logging

from sampan.store import keys
from sampan.store.errors import LeaseNotFound
from sampan.store.interface import Put, Store

log = logging.getLogger(__name__)
PREFIX = f"{keys.ROOT}masterleases/"
SECONDS = 15
"""Upstream's DefaultEndpointReconcilerTTL; the lease is renewed, and others' looked at, in two thirds of it."""


class ServerLeases:
    """The keys of all servers over `store`, of which this one's is `address`."""

    def __init__(self, store: Store, *, seconds: int = SECONDS) -> None:
        self._store = store
        self._seconds = seconds
        self._lease = 0

    async def hold(self, address: str) -> None:
        """Makes or renews this server's own. Raises StoreError."""
        key = PREFIX + address
        if self._lease and (await self._store.get(key)) is not None:
            try:
                await self._store.lease_renew(self._lease)
                return
            except LeaseNotFound:
                log.warning("this server's lease had ended and is made anew address=%s", address)
        self._lease = await self._store.lease_grant(self._seconds)
        await self._store.commit([], [Put(key, address.encode(), self._lease)])

    async def release(self) -> None:
        """Deletes this server's own. Raises StoreError."""
        lease, self._lease = self._lease, 0
        if lease:
            try:
                await self._store.lease_revoke(lease)
            except LeaseNotFound:
                return

    async def addresses(self) -> list[str]:
        """Those of all servers that live, in order. Raises StoreError."""
        found = await self._store.range(PREFIX, keys.end(PREFIX))
        return [item.key.removeprefix(PREFIX) for item in found.items]
