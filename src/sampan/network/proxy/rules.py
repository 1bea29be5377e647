"""The rules of one address family: what was applied, and the backend that has it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sampan.aio.clock import Clock
from sampan.network.proxy import places
from sampan.network.proxy.backend import Backend, Change, Ports
from sampan.network.proxy.model import Viewpoint

PortsOf = Callable[[str, Viewpoint], Ports]
"""A Service's ports by its key and for whom; () when there is no such Service."""

IN_ONE_GO = 200
"""Services looked at before others get their turn: a few milliseconds."""


class FamilyRules:
    """Compares what is wanted with what was applied, so that a backend hears of differences alone."""

    def __init__(self, view: Viewpoint, backend: Backend, clock: Clock) -> None:
        self.view = view
        self._clock = clock
        self.backend = backend
        self.applied: dict[str, Ports] = {}

    async def replace(self, keys: Iterable[str], ports_of: PortsOf) -> None:
        """Writes everything anew, others taking their turns meanwhile: what changes has to be named to `update` then.
        Raises what the backend raises; `applied` then is as before."""
        wanted = {}
        for number, key in enumerate(sorted(keys), 1):
            if ports := ports_of(key, self.view):
                wanted[key] = ports
            if number % IN_ONE_GO == 0:
                await self._clock.sleep(0)
        await self.backend.replace(wanted)
        self.applied = wanted

    async def update(self, keys: Iterable[str], ports_of: PortsOf) -> int:
        """Applies what has changed of these Services; gives how many have."""
        before = {key: self.applied.get(key, ()) for key in sorted(keys)}
        changes = [Change(key, old, places.kept(old, ports_of(key, self.view))) for key, old in before.items()]
        changes = [change for change in changes if change.old != change.new]
        if changes:
            await self.backend.update(changes)
        for change in changes:
            if change.new:
                self.applied[change.service] = change.new
            else:
                self.applied.pop(change.service, None)
        return len(changes)

    def without_local_endpoints(self) -> dict[str, int]:
        """How many services have a Local policy and no endpoint here, by the policy's side."""
        found = {"internal": 0, "external": 0}
        for ports in self.applied.values():
            lacking = [port for port in ports if port.everywhere and not port.here]
            found["internal"] += any(port.internal_local for port in lacking)
            found["external"] += any(port.external_local for port in lacking)
        return found

    def counted(self) -> dict[str, Any]:
        """What the backend counts: "tables", iptables' rules by table, "written", those last written, "packets" by
        metric, "deletedFlows", "flowCleanings" and what the last one took, "flowCleaningSeconds"."""
        return self.backend.statistics()

    def statistics(self) -> dict[str, Any]:
        return {"services": len(self.applied), "backend": self.backend.statistics()}
