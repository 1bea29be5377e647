"""An API server in memory for unit tests: the `Client` Protocol with no socket, TLS or store behind it.

It keeps the rules that components lean on: one revision for everything, optimistic concurrency, generateName, uid,
generation, status as its own endpoint, finalizers, graceful deletion of bound pods, namespaces that wait for their
finalizer, watches from a revision with selectors and bookmarks, 410 for what is too old. It does not validate.

Faults are asked for by name: `fail` (an error before or after the write took effect), `close_watches`, `compact`,
`hold_watches` (everyone's cache goes stale, of all resources or of one) with `release_watches`, `repeated`. `actions`
records every call.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from sampan.aio.clock import Clock, timestamp
from sampan.api import errors
from sampan.api.registry import builtin
from sampan.client.interface import ObjectList, Propagation, Resource, ServerResource, WatchEvent
from sampan.client.targets import Target, target, target_of
from sampan.testing import fakeobjects
from sampan.testing.clock import VirtualClock
from sampan.testing.fakeobjects import Action, Fault
from sampan.testing.fakestore import FakeStore, matcher, patched

DISCOVERED_VERBS = frozenset({"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"})


class FakeApi(FakeStore):
    """A `sampan.client.interface.Client`. `add` puts objects in without recording an action."""

    def __init__(self, clock: Clock | None = None, rng: random.Random | None = None) -> None:
        super().__init__(clock or VirtualClock(), rng or random.Random(1))
        self.actions: list[Action] = []
        self.before: Callable[[Action], Any] | None = None
        self._compacted = 0
        self.repeated = 0
        """Watches begin so many revisions earlier than asked: events come again."""
        self._faults: list[Fault] = []
        self._watch_epoch = 0
        self.allowed: set[str] = set()
        """What access reviews allow, as "USER VERB RESOURCE[/SUBRESOURCE]"; nothing else."""
        self.tokens: dict[str, tuple[str, ...]] = {}
        """Tokens that token reviews know: the user, then its groups."""
        self.not_served: set[str] = set()
        """Resources (by plural) that discovery leaves out, as before their definition is made."""

    # -- what tests ask ------------------------------------------------------------------------------------------

    @property
    def writes(self) -> list[Action]:
        """The calls that change something, in order."""
        return [action for action in self.actions if action.verb not in ("get", "list", "watch")]

    def add(self, *objects: Any) -> list[Any]:
        """Stores objects as they are, status included; returns them as a server would."""
        added = []
        for obj in objects:
            of = target_of(obj)
            value = fakeobjects.to_json(obj)
            added.append(self._typed(of, self._insert(of, value, keep_status=True)))
        return added

    def all(self, kind: Any, namespace: str | None = None) -> list[Any]:
        """Every object of a kind, in key order, without recording an action."""
        of = target(kind)
        return [self._typed(of, value) for value in self._select(of, namespace, "", "")]

    def peek(self, kind: Any, name: str, namespace: str | None = None) -> Any:
        """One object or None, without recording an action."""
        of = target(kind)
        value = self._table(of).get((namespace or "", name))
        return None if value is None else self._typed(of, value)

    def change(self, kind: Any, name: str, namespace: str | None, mutate: Callable[[Any], None]) -> Any:
        """Changes a stored object in place, status and all, as some other client would."""
        of = target(kind)
        obj = self._typed(of, self._existing(of, namespace, name))
        mutate(obj)
        return self._typed(of, self._store(of, fakeobjects.to_json(obj)))

    def remove(self, kind: Any, name: str, namespace: str | None = None) -> None:
        """Takes an object away at once, whatever its finalizers."""
        of = target(kind)
        self._erase(of, self._existing(of, namespace, name))

    def fail(
        self, verb: str, plural: str = "", error: BaseException | None = None, *, times: int = 1, after: bool = False
    ) -> None:
        """The next `times` calls of `verb` (on that resource) raise; with `after`, once they have taken effect."""
        self._faults.append(Fault(verb, plural, error or errors.InternalError("injected"), times, after))

    def recover(self) -> None:
        """No call fails any more."""
        self._faults.clear()

    def close_watches(self) -> None:
        """Ends every open watch as a server that restarts does."""
        self._watch_epoch += 1
        self._signal(*self._wakes)

    def compact(self) -> None:
        """Forgets all history: a watch from an earlier revision gets 410."""
        self._compacted = self.revision
        self._changes.clear()
        self.close_watches()

    def hold_watches(self, plural: str = "") -> None:
        """No watch of that resource (of any when none is named) delivers anything from now on: caches go stale."""
        self._held.setdefault(plural, self.revision)

    def release_watches(self) -> None:
        self._held.clear()
        self._signal(*self._wakes)

    # -- the Client Protocol -------------------------------------------------------------------------------------

    async def get(self, target: Any, name: str, namespace: str | None = None) -> Any:
        of = _target(target)
        fault = await self._called("get", of, namespace, name)
        value = self._existing(of, namespace, name)
        _raise_after(fault)
        return self._typed(of, value)

    async def list(
        self, target: Any, namespace: str | None = None, *, labels: str = "", fields: str = "", limit: int = 0
    ) -> ObjectList[Any]:
        of = _target(target)
        await self._called("list", of, namespace, "")
        items = [self._typed(of, value) for value in self._select(of, namespace, labels, fields)]
        return ObjectList(items, str(self.revision))

    async def create(self, obj: Any, *, target: Any = None) -> Any:
        of = target_of(obj, target)
        value = fakeobjects.to_json(obj)
        meta = value.setdefault("metadata", {})
        fault = await self._called("create", of, meta.get("namespace"), meta.get("name") or meta.get("generateName"))
        review = fakeobjects.REVIEWS.get(of.resource.plural)
        if review is not None:
            return self._typed(of, review(value, self.allowed, self.tokens))
        created = self._insert(of, self._defaulted(of, value))
        _raise_after(fault)
        return self._typed(of, created)

    async def update(self, obj: Any, *, target: Any = None, subresource: str = "") -> Any:
        of = target_of(obj, target)
        value = fakeobjects.to_json(obj)
        meta = value["metadata"]
        fault = await self._called("update", of, meta.get("namespace"), meta["name"], subresource)
        updated = self._replace(of, value, subresource)
        _raise_after(fault)
        return self._typed(of, updated)

    async def update_status(self, obj: Any, *, target: Any = None) -> Any:
        return await self.update(obj, target=target, subresource="status")

    async def patch(
        self,
        target: Any,
        name: str,
        namespace: str | None,
        patch: Any,
        *,
        type: str = "merge",
        subresource: str = "",
        field_manager: str = "",
        force: bool = False,
    ) -> Any:
        of = _target(target)
        fault = await self._called("patch", of, namespace, name, subresource)
        old = self._existing(of, namespace, name)
        new = patched(of, fakeobjects.copy(old), fakeobjects.to_json(patch), type)
        if new["metadata"].get("uid") != old["metadata"]["uid"]:
            raise errors.conflict(of.resource.group, of.resource.plural, name, "the UID in the precondition differs")
        updated = self._replace(of, new, subresource)
        _raise_after(fault)
        return self._typed(of, updated)

    async def delete(
        self,
        target: Any,
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        grace_period_seconds: int | None = None,
        propagation_policy: Propagation | None = None,
    ) -> Any:
        of = _target(target)
        fault = await self._called("delete", of, namespace, name)
        value = self._existing(of, namespace, name)
        for field, wanted in (("uid", uid), ("resourceVersion", resource_version)):
            if wanted is not None and value["metadata"].get(field) != wanted:
                raise errors.conflict(of.resource.group, of.resource.plural, name, f"Precondition failed: {field}")
        left = self._delete(of, value, grace_period_seconds, propagation_policy)
        _raise_after(fault)
        return None if left is None else self._typed(of, left)

    async def delete_collection(
        self, target: Any, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> None:
        of = _target(target)
        await self._called("deletecollection", of, namespace, "")
        for value in list(self._select(of, namespace, labels, fields)):
            self._delete(of, value, None, "Background")

    async def create_subresource(
        self, target: Any, name: str, namespace: str | None, subresource: str, body: Any
    ) -> Any:
        of = _target(target)
        await self._called("create", of, namespace, name, subresource)
        value = fakeobjects.copy(self._existing(of, namespace, name))
        if subresource == "binding":
            value["spec"]["nodeName"] = fakeobjects.to_json(body)["target"]["name"]
            self._store(of, value)
        elif subresource == "eviction":
            self._delete(of, value, None, None)
        elif subresource == "token":
            return self._issued(value["metadata"], fakeobjects.to_json(body)["spec"])
        return {"kind": "Status", "apiVersion": "v1", "status": "Success"}

    def _issued(self, account: Any, asked: Any) -> Any:
        """A TokenRequest with a new token, which token reviews know."""
        user = f"system:serviceaccount:{account['namespace']}:{account['name']}"
        text = f"token {len(self.tokens)} of {user}"
        self.tokens[text] = (user, "system:serviceaccounts")
        ends = timestamp(self.clock.now() + asked["expirationSeconds"])
        return {"kind": "TokenRequest", "spec": asked, "status": {"token": text, "expirationTimestamp": ends}}

    async def watch(
        self,
        target: Any,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        resource_version: str = "",
        bookmarks: bool = True,
        timeout_seconds: float | None = None,
    ) -> AsyncIterator[WatchEvent[Any]]:
        of = _target(target)
        fault = await self._called("watch", of, namespace, "")
        _raise_after(fault)
        matches = matcher(namespace, labels, fields)
        seen = max(int(resource_version) - self.repeated, self._compacted) if resource_version else self.revision
        epoch = self._watch_epoch
        if resource_version and int(resource_version) < self._compacted:
            raise errors.expired(f"too old resource version: {resource_version} ({self._compacted})")
        resource = (of.resource.group, of.resource.plural)
        while epoch == self._watch_epoch:
            wake = self._wakes.setdefault(resource, asyncio.Event())
            for change in self._since(of, seen):
                if epoch != self._watch_epoch:
                    return
                seen = change.revision
                event = change.seen_by(matches)
                if event is not None:
                    yield WatchEvent(event, self._typed(of, change.value))
            await wake.wait()

    async def discover(self) -> Sequence[ServerResource]:
        self.actions.append(Action("get", "discovery", None, "", ""))
        found: dict[tuple[str, str], ServerResource] = {}
        for kind in builtin().kinds():
            if kind.plural in self.not_served:
                continue
            resource = Resource(kind.group, kind.version, kind.plural, kind.namespaced, kind.kind)
            found.setdefault((kind.group, kind.plural), ServerResource(resource, frozenset(kind.verbs)))
        return list(found.values())

    async def _called(
        self, verb: str, of: Target[Any], namespace: str | None, name: str | None, subresource: str = ""
    ) -> Fault | None:
        """Records a call, lets others run, and raises the fault that was asked for; one "after" is given back."""
        action = Action(verb, of.resource.plural, namespace, name or "", subresource)
        self.actions.append(action)
        if self.before is not None:
            self.before(action)
        await asyncio.sleep(0)
        for fault in self._faults:
            if fault.takes(action):
                fault.times -= 1
                self._faults = [left for left in self._faults if left.times > 0]
                if fault.after:
                    return fault
                raise fault.error
        return None


_target = target


def _raise_after(fault: Fault | None) -> None:
    if fault is not None:
        raise fault.error
