"""Brings records of addresses and ports in line with the services, should they ever differ.

The commits that write services cannot leave them apart; but a store may have been restored, edited by hand, or taken
over from another program. As upstream's repair loops do, every `SECONDS` and once at the start: what a service holds
and is not recorded is recorded, what is recorded for no service is free again. Each repair is a commit of its own that
holds only if the service and the record are still as they were read, so several servers may do this side by side; only
the one whose commit holds tells of it (`complaints`). `wrong` is the pure decision.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from sampan.api.errors import ApiError
from sampan.apiserver.allocation import complaints, records
from sampan.apiserver.allocation.records import PortRecord
from sampan.store.errors import StoreError
from sampan.store.interface import Compare, Delete, Put

if TYPE_CHECKING:
    from sampan.apiserver.server import ApiServer

log = logging.getLogger(__name__)
SECONDS = 180.0


@dataclass(frozen=True)
class Held:
    """What a service holds: the keys of its records. `key` and `revision` are the service's own."""

    owner: str
    key: str
    revision: int
    records: tuple[str, ...]
    uid: str = ""


@dataclass(frozen=True)
class Record:
    """A record as it is stored, and whose it says it is."""

    key: str
    revision: int
    owner: str


@dataclass(frozen=True)
class Missing:
    """To be recorded, in place of `revision` (0: of nothing)."""

    record: str
    revision: int
    of: Held


@dataclass(frozen=True)
class Twice:
    """Held by another service already: nothing here can mend that."""

    record: str
    of: Held


def wrong(services: Iterable[Held], found: Mapping[str, Record]) -> Iterator[Missing | Record | Twice]:
    """What to record anew, the records to delete, and what is held twice. Of two services that hold the same, the one
    whose key comes first keeps it."""
    owners: dict[str, Held] = {}
    for service in services:
        for key in service.records:
            holder = owners.setdefault(key, service)
            if holder is not service:
                log.error("held twice record=%s by=%s and=%s: recreate one", key, holder.owner, service.owner)
                yield Twice(key, service)
    for key, service in owners.items():
        record = found.get(key)
        if record is None or record.owner != service.owner:
            yield Missing(key, record.revision if record else 0, service)
    for key, record in found.items():
        if key not in owners:
            yield record


class Repair:
    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self.repaired = 0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.once()
            except StoreError as error:
                log.warning("addresses and ports not repaired: %s", error)
            await self._server.clock.sleep(SECONDS)

    async def once(self) -> None:
        """Looks at everything. Raises StoreError."""
        found = {record.key: record for record in (*self._addresses(), *self._ports())}
        for one in list(wrong(self._services(), found)):
            if isinstance(one, Missing):
                await self._record(one)
            elif isinstance(one, Twice):
                await self._tell(twice(one))
            else:
                await self._free(one)

    async def _free(self, record: Record) -> None:
        log.warning("recorded for nobody, freed record=%s owner=%s", record.key, record.owner)
        if await self._commit([Compare(record.key, record.revision)], Delete(record.key)) and is_address(record.key):
            await self._tell(complaints.address_of_nobody(complaints.address(value_of(record.key)), record.owner))

    async def _record(self, missing: Missing) -> None:
        log.warning("not recorded, repaired record=%s owner=%s", missing.record, missing.of.owner)
        server, (namespace, _, name) = self._server, missing.of.owner.partition("/")
        last = value_of(missing.record)
        if is_address(missing.record):
            value = records.address_record(last, namespace, name, now=server.clock.now(), rng=server.rng)
        else:
            value = records.port_record(int(last), namespace, name)
        holds = [Compare(missing.of.key, missing.of.revision), Compare(missing.record, missing.revision)]
        if await self._commit(holds, Put(missing.record, value)):
            await self._tell(not_recorded(missing))

    async def _commit(self, compares: list[Compare], operation: Put | Delete) -> bool:
        outcome = await self._server.store.commit(compares, [operation])
        self.repaired += outcome.succeeded
        return outcome.succeeded

    async def _tell(self, event: Any) -> None:
        """An Event that cannot be written is no reason to repair less."""
        try:
            await self._server.bootstrap.ensure(complaints.dated(event, self._server.clock.now()))
        except ApiError as error:
            log.warning("event not written reason=%s error=%s", event.reason, error)

    def _services(self) -> Iterator[Held]:
        kind = self._server.registry.kind("v1", "Service")
        for entry in sorted(self._server.cache.resource("", "services").list(None), key=lambda one: one.key):
            found = kind.decode(entry.data)
            spec = found.spec
            addresses = map(records.address_key, records.addresses_of(spec))
            held = (*addresses, *map(records.port_key, sorted(records.ports_of(spec))))
            yield Held(f"{entry.namespace}/{entry.name}", entry.key, entry.revision, held, found.metadata.uid or "")

    def _addresses(self) -> Iterator[Record]:
        """Those that are the allocator's; what people made themselves is theirs."""
        kind = self._server.registry.kind("networking.k8s.io/v1", "IPAddress")
        for entry in self._server.cache.resource(records.NETWORKING, "ipaddresses").list(None):
            address: Any = kind.decode(entry.data)
            if (address.metadata.labels or {}).get(records.MANAGER_LABEL) == records.MANAGED_BY:
                parent = address.spec.parentRef
                owner = f"{parent.namespace}/{parent.name}" if parent and parent.resource == "services" else ""
                yield Record(entry.key, entry.revision, owner)

    def _ports(self) -> Iterator[Record]:
        for entry in self._server.cache.resource(*records.PORTS).list(None):
            yield Record(entry.key, entry.revision, _OWNER.decode(entry.data).owner)


def is_address(record: str) -> bool:
    return record == records.address_key(value_of(record))


def value_of(record: str) -> str:
    """The address or port that a record is of."""
    return record.rpartition("/")[2]


def not_recorded(missing: Missing) -> Any:
    """The Event that tells of it."""
    service, value = complaints.service(missing.of.owner, missing.of.uid), value_of(missing.record)
    if not is_address(missing.record):
        return complaints.port_not_recorded(service, value)
    tell = complaints.address_of_another if missing.revision else complaints.address_not_recorded
    return tell(service, value)


def twice(one: Twice) -> Any:
    service, value = complaints.service(one.of.owner, one.of.uid), value_of(one.record)
    return (complaints.address_twice if is_address(one.record) else complaints.port_twice)(service, value)


_OWNER = msgspec.json.Decoder(PortRecord)
