"""Resource quotas: a write that would take a namespace over one is refused; one that stays within is counted at once.

The quota's `status.used` is raised in the very commit that stores the object, guarded by the quota's revision: so
however many requests and servers there are, no two of them can spend the same remainder. Within a server, writes to a
namespace that has quotas take turns, which spares them losing that race to each other. What is freed is given back by
the quota controller, which recounts.

What the configuration's `limitedResources` name cannot be used at all where no quota covers it.
https://kubernetes.io/docs/concepts/policy/resource-quotas/
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Any, ClassVar

import msgspec

from sampan.api import quantity
from sampan.api.quota import scopes, usage
from sampan.api.quota.scopes import Scope
from sampan.api.quota.usage import Usage
from sampan.apiserver.admission.configuration import check_type, convert
from sampan.apiserver.admission.plugin import Plugin, forbid
from sampan.apiserver.write import CREATE, Write
from sampan.store.cache import Entry
from sampan.store.interface import Compare, Put

CONSTRAINED = ("cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory")
MEASURED = {
    ("", "pods"): usage.pod,
    ("", "services"): usage.service,
    ("", "persistentvolumeclaims"): usage.claim,
    ("resource.k8s.io", "resourceclaims"): usage.resource_claim,
}
NOT_COUNTED = frozenset(
    {
        ("", "events"),
        ("events.k8s.io", "events"),
        ("", "bindings"),
        ("authorization.k8s.io", "localsubjectaccessreviews"),
    }
)
"""Of what is made in namespaces: what nothing is stored of, and what comes and goes by itself."""
VERSIONS = (
    "apiserver.config.k8s.io/v1",
    "resourcequota.admission.k8s.io/v1beta1",
    "resourcequota.admission.k8s.io/v1alpha1",
)
KINDS = ("ResourceQuotaConfiguration", "Configuration")


class _Scope(msgspec.Struct, forbid_unknown_fields=True):
    scopeName: str
    operator: str
    values: list[str] = []


class _Limited(msgspec.Struct, forbid_unknown_fields=True):
    """`matchContains`: parts of the names of quota resources; `matchScopes`: scopes that must be covered."""

    resource: str
    apiGroup: str = ""
    matchContains: list[str] = []
    matchScopes: list[_Scope] = []


class _Configuration(msgspec.Struct, forbid_unknown_fields=True):
    apiVersion: str
    kind: str
    limitedResources: list[_Limited] = []


class ResourceQuota(Plugin):
    """Sees every create in a namespace, and updates of what quotas measure."""

    name = "ResourceQuota"
    subresources: ClassVar[frozenset[str]] = frozenset({"", "resize"})

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self._turns: dict[str, asyncio.Lock] = {}
        self._limited: list[_Limited] = []

    def configure(self, settings: Any) -> None:
        current = isinstance(settings, dict) and settings.get("apiVersion") in (None, VERSIONS[0])
        check_type(settings, VERSIONS, KINDS[0] if current else KINDS[1])
        self._limited = convert(settings, _Configuration, where=self.name).limitedResources

    def validate(self, write: Write) -> Awaitable[None] | None:
        place = (write.resource.group, write.resource.plural)
        if not write.namespace or place in NOT_COUNTED:
            return None
        if write.operation != CREATE and place not in MEASURED:
            return None
        if not self._limited and not self.server.cache.resource("", "resourcequotas").list(write.namespace):
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
        quotas = [(entry, self._quota(entry)) for entry in cache.list(write.namespace)]
        if self._limited:
            self._covered(write, [quota for _, quota in quotas])
        for entry, quota in quotas:
            self._one(write, entry, quota)

    def _quota(self, entry: Entry) -> Any:
        """A copy of its own, to be changed."""
        return self.server.registry.kind("v1", "ResourceQuota").decode(entry.data)

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

    def _covered(self, write: Write, quotas: list[Any]) -> None:
        """Raises Forbidden for what is limited and in no quota."""
        matching = [quota for quota in quotas if concerns(quota, write.new, write)]
        here = (write.kind.group, write.kind.plural)
        limited = [one for one in self._limited if (one.apiGroup, one.resource) == here]
        names = {name for one in limited for name in consumed(write.new, write, one.matchContains)}
        uncovered = sorted(names - {name for quota in matching for name in hard(quota)})
        if uncovered:
            raise forbid(write, f"insufficient quota to consume: {','.join(uncovered)}")
        wanted = [scopes.from_struct(scope) for one in self._limited for scope in one.matchScopes]
        present = {scope.name for quota in quotas for scope in within(scopes.of_quota(quota), write)}
        missing = [str(scope) for scope in within(wanted, write) if scope.name not in present]
        if missing:
            raise forbid(write, f"insufficient quota to match these scopes: [{' '.join(missing)}]")

    def _one(self, write: Write, entry: Entry, quota: Any) -> None:
        limits = hard(quota)
        if not measures(write, limits) or not concerns(quota, write.new, write):
            return
        # An update that brings an object into a quota's scopes costs all of it.
        moved = write.old is not None and not concerns(quota, write.old, write)
        added = total(write.new, write) if moved else delta(write)
        charged = {name: amount for name, amount in added.items() if name in limits}
        used = {name: quantity.parse(text) for name, text in (quota.status.used or {}).items()}
        if write.kind.plural == "pods":
            missing = unspecified(write.new, limits)
            if missing:
                raise forbid(write, f"failed quota: {entry.name}: must specify {missing}")
        unknown = sorted(name for name in limits if name in added and name not in used)
        if unknown:
            raise forbid(write, f"status unknown for quota: {entry.name}, resources: {','.join(unknown)}")
        rising = {name: amount for name, amount in charged.items() if amount.value > 0}
        over = sorted(name for name, amount in rising.items() if limits[name] < used[name] + amount)
        if over:
            parts = (("requested", rising), ("used", used), ("limited", limits))
            told = ", ".join(f"{word}: {','.join(f'{n}={amounts[n]}' for n in over)}" for word, amounts in parts)
            raise forbid(write, f"exceeded quota: {entry.name}, {told}")
        if rising:
            self._raise(write, entry, quota, {name: used[name] + amount for name, amount in rising.items()})

    def _raise(self, write: Write, entry: Entry, quota: Any, new: Usage) -> None:
        """Have the quota's status stored together with the object, unless somebody else has changed it."""
        kind = self.server.registry.kind("v1", "ResourceQuota")
        quota.status.used = {**quota.status.used, **{name: str(amount) for name, amount in new.items()}}
        quota.metadata.resourceVersion = None
        key = kind.key(write.namespace, entry.name)
        write.compares.append(Compare(key, entry.revision))
        write.operations.append(Put(key, kind.encode(quota)))


def hard(quota: Any) -> Usage:
    """What the quota limits, as far as its controller has taken it up."""
    return {name: quantity.parse(text) for name, text in ((quota.status and quota.status.hard) or {}).items()}


def _measured(obj: Any, write: Write) -> Usage:
    measure = MEASURED.get((write.kind.group, write.kind.plural))
    return measure(obj) if measure is not None and obj.spec is not None else {}


def total(obj: Any, write: Write) -> Usage:
    """What the object uses of each quota resource."""
    kind = write.kind
    counted = _measured(obj, write)
    counted[f"count/{kind.plural}.{kind.group}" if kind.group else f"count/{kind.plural}"] = usage.ONE
    counted |= {name: usage.ONE for name, place in usage.COUNTED.items() if place == (kind.group, kind.plural)}
    return counted


def delta(write: Write) -> Usage:
    """What the write adds to each quota resource (an update may add less than nothing)."""
    if write.operation == CREATE:
        return total(write.new, write)
    new, old = _measured(write.new, write), _measured(write.old, write)
    changes = {name: new.get(name, usage.ZERO) - old.get(name, usage.ZERO) for name in {*new, *old}}
    return {name: amount for name, amount in changes.items() if amount.value}


def measures(write: Write, limits: Usage) -> bool:
    """Whether the quota limits anything of such an object."""
    return (write.kind.plural == "pods" and any(n in CONSTRAINED for n in limits)) or any(
        n in delta(write) for n in limits
    )


def concerns(quota: Any, obj: Any, write: Write) -> bool:
    """Whether the object is within the quota's scopes."""
    return scopes.concerns(quota, obj, "" if write.kind.group else write.kind.plural)


def within(listed: Iterable[Scope], write: Write) -> list[Scope]:
    """The scopes that take the object in."""
    plural = "" if write.kind.group else write.kind.plural
    return [scope for scope in listed if scopes.is_in(scope, write.new, plural)]


def consumed(obj: Any, write: Write, parts: Iterable[str]) -> set[str]:
    """Quota resources of which the object uses any and whose name contains one of the parts."""
    used = (name for name, amount in total(obj, write).items() if amount.value > 0)
    return {name for name in used if any(part in name for part in parts)}


def unspecified(pod: Any, limits: Usage) -> str:
    """Containers that say nothing of a resource the quota limits, in upstream's words; "" when all do, or the pod does
    as a whole.
    """
    if pod.spec.resources is not None and (pod.spec.resources.requests or pod.spec.resources.limits):
        return ""
    missing: dict[str, set[str]] = {}
    containers = (*(pod.spec.containers or ()), *(pod.spec.initContainers or ()))
    for name in (name for name in CONSTRAINED if name in limits):
        side, _, resource = name.rpartition(".")
        for container in containers:
            amounts = getattr(container.resources, side or "requests") if container.resources is not None else None
            if resource not in (amounts or {}):
                missing.setdefault(name, set()).add(container.name)
    return "; ".join(f"{name} for: {','.join(sorted(names))}" for name, names in sorted(missing.items()))
