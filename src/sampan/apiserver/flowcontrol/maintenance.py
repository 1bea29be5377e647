"""Keeping the default configuration as it is to be, and telling of flow schemas that lead nowhere.

The mandatory objects are mended whatever their annotation says; a suggested one is the servers' as long as
`apf.kubernetes.io/autoupdate-spec` is "true", or nobody has said anything and nobody has changed it. Every server looks
when something has changed, so what one of several has done the others find done.
https://kubernetes.io/docs/concepts/cluster-administration/flow-control/#maintenance-of-the-mandatory-and-suggested-configuration-objects
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

from sampan.aio.clock import timestamp
from sampan.api.errors import ApiError, Conflict, NotFound
from sampan.apiserver import decode, lifecycle
from sampan.apiserver.flowcontrol import defaults
from sampan.apiserver.flowcontrol.defaults import AUTO_UPDATE, MANDATORY
from sampan.apiserver.following import Follower
from sampan.apiserver.verbs.change import change
from sampan.apiserver.verbs.delete import delete_entry
from sampan.store.cache import Entry
from sampan.store.errors import StoreError

if TYPE_CHECKING:
    from sampan.apiserver.bootstrap.objects import Bootstrap
    from sampan.apiserver.server import ApiServer

log = logging.getLogger(__name__)
GROUP, VERSION = "flowcontrol.apiserver.k8s.io", "v1"
LEVELS, SCHEMAS = "prioritylevelconfigurations", "flowschemas"
PRODUCER = "api-priority-and-fairness-config-producer-v1"
CONSUMER = "api-priority-and-fairness-config-consumer-v1"
AGAIN_SECONDS = 60.0
"""After a look that failed."""


class Maintenance:
    """Use `begin` before anybody asks, then `run` as a task."""

    def __init__(self, server: ApiServer, bootstrap: Bootstrap) -> None:
        self._server = server
        self._bootstrap = bootstrap
        self._changed = asyncio.Event()

    async def begin(self) -> None:
        """All is there when this returns. Raises ApiError and StoreError."""
        await self._look()
        for plural in (LEVELS, SCHEMAS):
            Follower(self._server, GROUP, plural, lambda entry, gone: self._changed.set())

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._look()
            except (ApiError, StoreError) as error:
                log.warning("flow control's configuration was not looked at error=%s", error)
                await self._server.clock.sleep(AGAIN_SECONDS)
                self._changed.set()

    async def _look(self) -> None:
        wanted = [*defaults.levels(), *defaults.schemas()]
        await asyncio.gather(*(self._keep(obj) for obj in wanted))
        await asyncio.gather(*(self._retire(*found) for found in self._obsolete(wanted)))
        present = {entry.name for entry in self._entries(LEVELS)}
        await asyncio.gather(*(self._mark(entry, present) for entry in self._entries(SCHEMAS)))

    def _entries(self, plural: str) -> list[Entry]:
        return self._server.cache.resource(GROUP, plural).list(None)

    async def _keep(self, wanted: Any) -> None:
        """One default: made when it is missing, mended when it is the servers'."""
        request = self._bootstrap.request(wanted, agent=PRODUCER)
        name = wanted.metadata.name
        entry = self._server.resource(request.kind).get(None, name)
        if entry is None:
            await self._bootstrap.ensure(wanted, agent=PRODUCER)
            return
        decode.complete(request.kind, wanted)
        if not mend(request.kind.decode(entry.data), wanted):
            return
        request.target.verb, request.target.name = "update", name
        # Whoever else was at it has made a change, which is looked at in its turn.
        with contextlib.suppress(Conflict, NotFound):
            await change(request, lambda old, _: mended(old, wanted))

    def _obsolete(self, wanted: list[Any]) -> list[tuple[Any, Entry]]:
        """What an earlier version kept and this one does not: an object of the kind, the entry."""
        names = {(type(obj), obj.metadata.name) for obj in wanted}
        kinds = {plural: self._server.registry.resource(GROUP, VERSION, plural) for plural in (LEVELS, SCHEMAS)}
        found = [(kinds[plural].decode(entry.data), entry) for plural in kinds for entry in self._entries(plural)]
        return [
            (obj, entry) for obj, entry in found if said(obj) == "true" and (type(obj), obj.metadata.name) not in names
        ]

    async def _retire(self, obj: Any, entry: Entry) -> None:
        request = self._bootstrap.request(obj, agent=PRODUCER)
        request.target.verb, request.target.name = "delete", entry.name
        await delete_entry(request, entry, lifecycle.options_of({}))

    async def _mark(self, entry: Entry, levels: set[str]) -> None:
        """Whether a schema's level is there."""
        schema = self._server.registry.resource(GROUP, VERSION, SCHEMAS).decode(entry.data)
        now = timestamp(self._server.clock.now())
        condition = dangling(schema.spec.priorityLevelConfiguration.name, levels, now)
        if told(schema, condition):
            return
        wanted = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "FlowSchema",
            "metadata": {"name": entry.name},
            "status": {"conditions": [condition]},
        }
        with contextlib.suppress(Conflict, NotFound):
            await self._bootstrap.apply_status(schema, wanted, manager=CONSUMER)


def said(present: Any) -> str:
    """What the annotation says, "" when it says neither yes nor no."""
    value = (present.metadata.annotations or {}).get(AUTO_UPDATE, "")
    return value if value in ("true", "false") else ""


def kept(present: Any) -> bool:
    """Whether the servers keep an object's spec."""
    return (
        present.metadata.name in MANDATORY
        or said(present) == "true"
        or (not said(present) and present.metadata.generation == 1)
    )


def mend(present: Any, wanted: Any) -> bool:
    """Whether there is anything to mend."""
    if not kept(present):
        return not said(present)
    return bool(said(present) != "true" or present.spec != wanted.spec)


def mended(present: Any, wanted: Any) -> Any:
    """`present` as it is to be, in place: a user's own is only annotated as such."""
    keep = kept(present)
    present.metadata.annotations = {**(present.metadata.annotations or {}), AUTO_UPDATE: "true" if keep else "false"}
    if keep:
        present.spec = wanted.spec
    return present


def dangling(level: str, levels: set[str], now: str) -> dict[str, str]:
    """The condition of a schema that leads to `level`."""
    leads = f'This FlowSchema references the PriorityLevelConfiguration object named "{level}"'
    status, reason, end = (
        ("False", "Found", "and it exists") if level in levels else ("True", "NotFound", "but there is no such object")
    )
    said = {"type": "Dangling", "status": status, "reason": reason, "message": f"{leads} {end}"}
    return said | {"lastTransitionTime": now}


def told(schema: Any, condition: dict[str, str]) -> bool:
    """Whether the schema says so already."""
    for present in (schema.status.conditions if schema.status is not None else None) or ():
        if present.type == condition["type"]:
            return (present.status, present.reason, present.message) == (
                condition["status"],
                condition["reason"],
                condition["message"],
            )
    return False
