"""The endpoints of the `kubernetes` service: the addresses of all API servers that live, kept by each of them.

The rules are those of upstream's lease endpoint reconciler: a server adds itself when it is ready, looks at all leases
every ten seconds and writes what they say, refuses to erase all addresses while it runs itself, and takes its own away
before it stops. A server over a store of its own process is the only one there is, and needs no lease to say so.

A loopback address is of no use to others and is not told (the API refuses it in Endpoints): without
`--advertise-address` that is the case only where the machine has no default route.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from typing import TYPE_CHECKING

from sampan.api.errors import ApiError
from sampan.apiserver.bootstrap import kubernetes
from sampan.apiserver.bootstrap.leases import ServerLeases
from sampan.store.errors import StoreError

if TYPE_CHECKING:
    from sampan.apiserver.bootstrap.objects import Bootstrap
    from sampan.apiserver.server import ApiServer

log = logging.getLogger(__name__)
END_SECONDS = 3.0
"""How long a stopping server tries, should the store be away."""


class Endpoints:
    """Use `begin` once the server listens, `run` as a task, `end` when it is told to stop."""

    def __init__(self, server: ApiServer, bootstrap: Bootstrap) -> None:
        self._server = server
        self._bootstrap = bootstrap
        self._seconds = server.config.endpoint_lease_seconds
        self._leases = None if server.local else ServerLeases(server.store, seconds=self._seconds)
        self._address = ""
        self._port = 0
        self._turn = asyncio.Lock()
        """Held while leases and endpoints change, so that what takes an address away is not overtaken."""

    async def begin(self, address: str, port: int) -> None:
        """Adds this server's address; what fails is tried again by `run`."""
        if ipaddress.ip_address(address).is_loopback:
            log.warning("no endpoint for the kubernetes service: %s is reached by this machine alone", address)
            return
        self._address, self._port = address, port
        await self._look()

    async def run(self) -> None:
        """Until cancelled."""
        while self._address:
            await self._server.clock.sleep(self._seconds * 2 / 3)
            await self._look()

    async def _look(self) -> None:
        try:
            async with self._turn:
                await self._reconcile()
        except (ApiError, StoreError) as error:
            log.warning("endpoints of the kubernetes service were not looked at error=%s", error)

    async def end(self) -> None:
        """Takes this server's address away, the last one's too; failing to is told in the log."""
        address, self._address = self._address, ""
        if not address:
            return
        try:
            await self._server.clock.wait_for(self._withdraw(), END_SECONDS)
        except (ApiError, StoreError, TimeoutError) as error:
            reason = error or "timeout"
            log.warning("this server's endpoint could not be taken away and ends with its lease error=%s", reason)

    async def _withdraw(self) -> None:
        async with self._turn:
            if self._leases is None:
                await self._write([])
                return
            await self._leases.release()
            await self._write_living(self._leases)

    async def _reconcile(self) -> None:
        if not self._address:
            return
        if self._leases is None:
            await self._write([self._address])
            return
        await self._leases.hold(self._address)
        await self._write_living(self._leases)

    async def _write_living(self, leases: ServerLeases) -> None:
        """Writes whose leases there are, until they are still the same afterwards: whoever of several writes last has
        seen what the others did.
        """
        written: list[str] | None = None
        while (addresses := await leases.addresses()) != written:
            if self._address and not addresses:
                log.warning("no API server's lease was found: the kubernetes service keeps its endpoints")
                return
            await self._write(addresses)
            written = addresses

    async def _write(self, addresses: list[str]) -> None:
        """An update that changes nothing is not written."""
        for obj in (kubernetes.endpoints(addresses, self._port), kubernetes.endpoint_slice(addresses, self._port)):
            await self._bootstrap.replace(obj)
