"""Resource quotas: a write that would take a namespace over one is refused; one that stays within is counted at once.

The quota's `status.used` is raised in the very commit that stores the object, guarded by the quota's revision: so
however many requests and servers there are, no two of them can spend the same remainder. Within a server, writes to a
namespace that has quotas take turns, which spares them losing that race to each other. What is freed is given back by
the quota controller, which recounts.
https://kubernetes.io/docs/concepts/policy/resource-quotas/
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, ClassVar

from sampan.api import quantity
from sampan.api.quota import scopes, usage
from sampan.api.quota.usage import Usage
from sampan.apiserver.admission.plugin import Plugin, forbid
from sampan.apiserver.write import CREATE, Write
from sampan.store.cache import Entry
from sampan.store.interface import Compare, Put

CONSTRAINED = ("cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory")
PLURALS = {"pods": usage.pod, "services": usage.service, "persistentvolumeclaims": usage.claim}


class ResourceQuota(Plugin):
    """Sees every create in a namespace, and updates of what quotas measure."""

    name = "ResourceQuota"
    subresources: ClassVar[frozenset[str]] = frozenset({"", "resize"})

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self._turns: dict[str, asyncio.Lock] = {}

    def validate(self, write: Write) -> Awaitable[None] | None:
        if not write.namespace or (write.kind.group, write.kind.plural) == ("", "resourcequotas"):
            return None
        if write.operation != CREATE and (write.kind.group or write.kind.plural not in PLURALS):
            return None
        if not self.server.cache.resource("", "resourcequotas").list(write.namespace):
            return None
        return self._charge(write)

    async def _charge(self, write: Write) -> None:
        added = delta(write)
        if not added:
            return
        if not write.dry_run:
            await self._turn(write)
        cache = self.server.cache.resource("", "resourcequotas")
        await cache.fresh()
        for entry in cache.list(write.namespace):
            self._one(write, entry, added)

    async def _turn(self, write: Write) -> None:
        """Wait for the namespace's turn, which lasts until the write is stored or given up."""
        turn = self._turns.setdefault(write.namespace, asyncio.Lock())
        await turn.acquire()
        ended = False

        def end() -> None:
            nonlocal ended
            if not ended:
                ended = True
                turn.release()

        write.undo.append(end)
        write.done.append(end)

    def _one(self, write: Write, entry: Entry, added: Usage) -> None:
        kind = self.server.registry.kind("v1", "ResourceQuota")
        quota = kind.decode(entry.data)
        hard = {name: quantity.parse(text) for name, text in ((quota.status and quota.status.hard) or {}).items()}
        charged = {name: amount for name, amount in added.items() if name in hard}
        if not measures(write, hard) or not concerns(quota, write):
            return
        used = {name: quantity.parse(text) for name, text in (quota.status.used or {}).items()}
        unknown = sorted(name for name in hard if name in added and name not in used)
        if unknown:
            raise forbid(write, f"status unknown for quota: {entry.name}, resources: {','.join(unknown)}")
        if write.kind.plural == "pods":
            missing = unspecified(write.new, hard)
            if missing:
                raise forbid(write, f"failed quota: {entry.name}: must specify {missing}")
        rising = {name: amount for name, amount in charged.items() if amount.value > 0}
        over = sorted(name for name, amount in rising.items() if hard[name] < used[name] + amount)
        if over:
            parts = (("requested", rising), ("used", used), ("limited", hard))
            told = ", ".join(f"{word}: {','.join(f'{n}={amounts[n]}' for n in over)}" for word, amounts in parts)
            raise forbid(write, f"exceeded quota: {entry.name}, {told}")
        if rising:
            quota.status.used = {
                name: str(amount + charged[name] if name in rising else amount) for name, amount in used.items()
            }
            quota.metadata.resourceVersion = None
            key = kind.key(write.namespace, entry.name)
            write.compares.append(Compare(key, entry.revision))
            write.operations.append(Put(key, kind.encode(quota)))


def delta(write: Write) -> Usage:
    """What the write adds to each quota resource (an update may add less than nothing)."""
    kind = write.kind
    measure = PLURALS.get(kind.plural) if not kind.group else None
    new = measure(write.new) if measure is not None and write.new.spec is not None else {}
    if write.operation == CREATE:
        counted = dict(new)
        counted[f"count/{kind.plural}.{kind.group}" if kind.group else f"count/{kind.plural}"] = usage.ONE
        for name, place in usage.COUNTED.items():
            if place == (kind.group, kind.plural):
                counted[name] = usage.ONE
        return counted
    old = measure(write.old) if measure is not None and write.old.spec is not None else {}
    changes = {name: new.get(name, usage.ZERO) - old.get(name, usage.ZERO) for name in {*new, *old}}
    return {name: amount for name, amount in changes.items() if amount.value}


def measures(write: Write, hard: Usage) -> bool:
    """Whether the quota limits anything of such an object."""
    return (write.kind.plural == "pods" and any(n in CONSTRAINED for n in hard)) or any(n in delta(write) for n in hard)


def concerns(quota: Any, write: Write) -> bool:
    """Whether the object is within the quota's scopes."""
    if write.kind.plural == "pods" and not write.kind.group:
        return scopes.concerns(quota, write.new)
    return not scopes.is_scoped(quota)


def unspecified(pod: Any, hard: Usage) -> str:
    """Containers that say nothing of a resource the quota limits, in upstream's words; "" when all do."""
    missing: dict[str, set[str]] = {}
    containers = (*(pod.spec.containers or ()), *(pod.spec.initContainers or ()))
    for name in (name for name in CONSTRAINED if name in hard):
        side, _, resource = name.rpartition(".")
        for container in containers:
            amounts = getattr(container.resources, side or "requests") if container.resources is not None else None
            if resource not in (amounts or {}):
                missing.setdefault(name, set()).add(container.name)
    return "; ".join(f"{name} for: {','.join(sorted(names))}" for name, names in sorted(missing.items()))
