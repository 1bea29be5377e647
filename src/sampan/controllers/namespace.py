"""The Namespace controller: a namespace being deleted is emptied, whatever kinds the server has, and then let go.

Pods go first, so that nothing a pod needs (its secrets, its service account) is taken from under it (KEP-5080). What
remains, and why, stands in the namespace's conditions. Which kinds there are is asked anew each time: what a kind
defined a moment ago has here must not be left behind without its namespace. A kind is asked for what it holds before
anything is deleted, so that the many empty kinds cost one small list each.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from sampan.api.errors import ApiError, MethodNotAllowed, NotFound
from sampan.api.kinds import core_v1
from sampan.client.interface import ServerResource
from sampan.controllers import conditions
from sampan.controllers.context import Context
from sampan.controllers.discovery import Discovery
from sampan.controllers.ownership import by_namespace
from sampan.controllers.reconciler import Controller

FINALIZER = "kubernetes"
LOOK_AGAIN_SECONDS = (1.0, 60.0)
"""How long to wait before looking again: from the first time, doubling, to the last."""
PARALLEL = 8


@dataclass
class Left:
    """What a pass over the content found: instances and finalizers that remain, what failed, the longest grace period
    (seconds) of the pods that remain."""

    remaining: dict[str, int] = field(default_factory=dict)
    finalizers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    undiscovered: str = ""
    grace: int = 0

    @property
    def nothing(self) -> bool:
        return not (self.remaining or self.failures or self.undiscovered)


class NamespaceController(Controller):
    name = "namespace"
    component = "namespace-controller"
    workers = 4

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.namespaces = self.informer(core_v1.Namespace)
        self.pods = self.informer(core_v1.Pod, namespace=by_namespace)
        self.discovery = context.share(Discovery)
        self._looks: Counter[str] = Counter()
        self.namespaces.add_handler(self._namespace_changed)
        self.pods.add_handler(self._pod_changed)

    def _namespace_changed(self, old: Any, new: Any) -> None:
        if new is not None and new.metadata.deletionTimestamp is not None:
            self.queue.add(new.metadata.name)

    def _pod_changed(self, old: Any, new: Any) -> None:
        """The last pod of a namespace being deleted is what the rest of its content waits for."""
        if new is None and not self.pods.index("namespace", old.metadata.namespace):
            self._namespace_changed(None, self.namespaces.get(old.metadata.namespace))

    async def reconcile(self, key: str) -> float | None:
        namespace = self.namespaces.get(key)
        if namespace is None or namespace.metadata.deletionTimestamp is None:
            return None
        if FINALIZER not in (namespace.spec.finalizers or ()):
            return None
        left = await self._empty(namespace.metadata.name)
        if not left.nothing:
            await self._write_status(namespace, left)
            first, last = LOOK_AGAIN_SECONDS
            self._looks[key] += 1
            return max(min(first * 2 ** (self._looks[key] - 1), last), left.grace / 2)
        await self._finalize(namespace)
        del self._looks[key]
        return None

    async def _empty(self, namespace: str) -> Left:
        """Deletes what can be deleted now and tells what is left."""
        left = Left()
        try:
            found = [one for one in await self.discovery.resources(at_most=0) if _deletable(one)]
        except ApiError as error:
            left.undiscovered = str(error)
            return left
        pods = [one for one in found if one.resource.plural == "pods" and not one.resource.group]
        await self._empty_kinds(namespace, pods, left)
        if left.remaining:
            return left
        others = [one for one in found if one not in pods]
        for start in range(0, len(others), PARALLEL):
            await self._empty_kinds(namespace, others[start : start + PARALLEL], left)
        return left

    async def _empty_kinds(self, namespace: str, kinds: Sequence[ServerResource], left: Left) -> None:
        await asyncio.gather(*(self._empty_kind(namespace, one, left) for one in kinds))

    async def _empty_kind(self, namespace: str, one: ServerResource, left: Left) -> None:
        name = _qualified(one)
        try:
            items = await self._items(namespace, one)
            if any("deletionTimestamp" not in item["metadata"] for item in items):
                await self._delete_all(namespace, one, items)
                items = await self._items(namespace, one)
        except (NotFound, MethodNotAllowed):
            return
        except ApiError as error:
            left.failures.append(f"{name}: {error}")
            return
        if items:
            left.remaining[name] = len(items)
            left.grace = max(left.grace, *(item["metadata"].get("deletionGracePeriodSeconds", 0) for item in items))
            for item in items:
                left.finalizers.update(item["metadata"].get("finalizers", ()))

    async def _items(self, namespace: str, one: ServerResource) -> list[Any]:
        return (await self.client.list(replace(one.resource, metadata_only=True), namespace, limit=500)).items

    async def _delete_all(self, namespace: str, one: ServerResource, items: Sequence[Any]) -> None:
        if "deletecollection" in one.verbs:
            await self.client.delete_collection(one.resource, namespace)
            return
        for item in items:
            await self.client.delete(one.resource, item["metadata"]["name"], namespace, propagation_policy="Background")

    async def _write_status(self, namespace: Any, left: Left) -> None:
        before = namespace.status or core_v1.NamespaceStatus()
        status = msgspec.structs.replace(
            before, phase="Terminating", conditions=told(before.conditions, left, self.clock.now())
        )
        if not conditions.same(status, before):
            await self.write.update_status(msgspec.structs.replace(namespace, status=status))

    async def _finalize(self, namespace: Any) -> None:
        kept = [name for name in namespace.spec.finalizers if name != FINALIZER]
        spec = msgspec.structs.replace(namespace.spec, finalizers=kept)
        await self.client.update(msgspec.structs.replace(namespace, spec=spec), subresource="finalize")


def told(before: Sequence[Any] | None, left: Left, now: float) -> list[Any]:
    """The five conditions of a namespace being deleted, in upstream's words."""
    remaining = ", ".join(f"{name} has {count} resource instances" for name, count in sorted(left.remaining.items()))
    finalizers = ", ".join(f"{name} in {count} resource instances" for name, count in sorted(left.finalizers.items()))
    table = (
        (
            "NamespaceDeletionDiscoveryFailure",
            left.undiscovered and f"Discovery failed for some groups: {left.undiscovered}",
            ("DiscoveryFailed", "ResourcesDiscovered", "All resources successfully discovered"),
        ),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            "",
            ("GroupVersionParsingFailed", "ParsedGroupVersions", "All legacy kube types successfully parsed"),
        ),
        (
            "NamespaceDeletionContentFailure",
            left.failures and f"Failed to delete all resource types: {'; '.join(sorted(left.failures))}",
            (
                "ContentDeletionFailed",
                "ContentDeleted",
                "All content successfully deleted, may be waiting on finalization",
            ),
        ),
        (
            "NamespaceContentRemaining",
            remaining and f"Some resources are remaining: {remaining}",
            ("SomeResourcesRemain", "ContentRemoved", "All content successfully removed"),
        ),
        (
            "NamespaceFinalizersRemaining",
            finalizers and f"Some content in the namespace has finalizers remaining: {finalizers}",
            ("SomeFinalizersRemain", "ContentHasNoFinalizers", "All content-preserving finalizers finished"),
        ),
    )
    result = list(before or ())
    for type, trouble, (bad, good, fine) in table:
        said = ("True", bad, str(trouble)) if trouble else ("False", good, fine)
        result = conditions.put(result, core_v1.NamespaceCondition, type, *said, now)
    return result


def _deletable(one: ServerResource) -> bool:
    return one.resource.namespaced and {"list", "delete"} <= one.verbs


def _qualified(one: ServerResource) -> str:
    return f"{one.resource.plural}.{one.resource.group}"
