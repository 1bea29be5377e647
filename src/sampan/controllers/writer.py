"""Writes whose outcome the caches know at once.

A controller that creates a pod and then decides again from a cache that has not heard of it would create another.
Upstream counts "expectations" against that. Here the server's answer to each write goes straight into the shared
informer (`Informer.observe`), where the revision order keeps it right whatever the watch brings later; so the next
decision sees every write that was answered. The one case left is a create whose answer was lost: `Unanswered` keeps
the name that was tried, which is chosen here and not by the server, so that trying again cannot make a second object.
Should the watch tell of that object between a decision and its creates, the decision did not know of it: `Outdated`.
"""

from __future__ import annotations

import random
from typing import Any

from sampan.api.errors import AlreadyExists, ApiError, NotFound
from sampan.client.errors import ClientError, Unreachable
from sampan.client.informers import Informers
from sampan.client.interface import Client, PatchType, Propagation
from sampan.controllers.ownership import controller_of

ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
SUFFIX = 5
NAME_LIMIT = 63


class Outdated(ClientError):
    """What was decided has been overtaken by what became known since: decide again."""


def generated_name(prefix: str, rng: random.Random) -> str:
    """`prefix` cut to fit and five characters, as the server makes of a generateName."""
    return prefix[: NAME_LIMIT - SUFFIX] + "".join(rng.choice(ALPHABET) for _ in range(SUFFIX))


class Writer:
    def __init__(self, client: Client, informers: Informers, rng: random.Random) -> None:
        self._client = client
        self._informers = informers
        self._rng = rng
        self._unanswered: dict[str, list[str]] = {}

    async def create(self, obj: Any) -> Any:
        """Creates and returns the object."""
        return self._saw(await self._client.create(obj))

    async def create_once(self, slot: str, obj: Any) -> Any:
        """Creates an object that has a generateName and an owner, under a name chosen here; `slot` names what it is
        for (the owner's uid where all of an owner's objects are alike).

        A name whose create was never answered is tried again before a new one is chosen; when the object turns out
        to exist and to be the owner's, it is returned. Raises ApiError, Unreachable, Outdated.
        """
        prefix = obj.metadata.generateName
        name = self._unanswered_name(slot, obj) or generated_name(prefix, self._rng)
        while True:
            obj.metadata.name = name
            try:
                return await self.create(obj)
            except AlreadyExists:
                existing = await self._in_the_way(slot, obj)
                reference = existing and controller_of(existing)
                if reference and reference.uid == controller_of(obj).uid:
                    return self._saw(existing)
                name = generated_name(prefix, self._rng)
            except (ApiError, Unreachable) as error:
                if isinstance(error, Unreachable) or error.code >= 500:
                    self._unanswered.setdefault(slot, []).append(name)
                raise

    async def _in_the_way(self, slot: str, obj: Any) -> Any:
        """The object that has the name, or None; as long as it is not known whose it is, the name is kept."""
        try:
            return await self.existing(obj)
        except (ApiError, Unreachable):
            self._unanswered.setdefault(slot, []).append(obj.metadata.name)
            raise

    def _unanswered_name(self, slot: str, obj: Any) -> str | None:
        """A name tried for that slot and never answered; None if none. Raises Outdated when one has been heard of."""
        names = self._unanswered.get(slot)
        if not names:
            return None
        informer = self._informers.known(obj.__class__)
        namespace = obj.metadata.namespace
        heard = [name for name in names if informer is not None and informer.get(f"{namespace}/{name}") is not None]
        name = (heard or names)[0]
        names.remove(name)
        if not names:
            del self._unanswered[slot]
        if heard:
            raise Outdated(f"{name}, whose creation was never answered, is there: its slot has to be looked at again")
        return name

    async def update(self, obj: Any) -> Any:
        return self._saw(await self._client.update(obj))

    async def update_status(self, obj: Any) -> Any:
        return self._saw(await self._client.update_status(obj))

    async def patch(self, obj: Any, patch: Any, *, type: PatchType = "merge", subresource: str = "") -> Any:
        """Patches the object that `obj` names, and only that one: its uid is part of the patch."""
        patch = {**patch, "metadata": {**patch.get("metadata", {}), "uid": obj.metadata.uid}}
        meta = obj.metadata
        return self._saw(
            await self._client.patch(
                obj.__class__, meta.name, meta.namespace, patch, type=type, subresource=subresource
            )
        )

    async def delete(
        self,
        obj: Any,
        *,
        propagation: Propagation | None = None,
        grace_period_seconds: int | None = None,
        resource_version: str | None = None,
    ) -> bool:
        """Deletes that very object (by uid); False when it was gone already."""
        try:
            after = await self._client.delete(
                obj.__class__,
                obj.metadata.name,
                obj.metadata.namespace,
                uid=obj.metadata.uid,
                resource_version=resource_version,
                grace_period_seconds=grace_period_seconds,
                propagation_policy=propagation,
            )
        except NotFound:
            return False
        informer = self._informers.known(obj.__class__)
        if informer is not None:
            informer.observe_deleted(obj, after)
        return True

    async def existing(self, obj: Any) -> Any:
        """The object of that name on the server, or None."""
        try:
            return await self._client.get(obj.__class__, obj.metadata.name, obj.metadata.namespace)
        except NotFound:
            return None

    def _saw(self, obj: Any) -> Any:
        informer = self._informers.known(obj.__class__)
        if informer is not None:
            informer.observe(obj)
        return obj
