"""The edge of ownership: carry out what `ownership.claim` decided."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from sampan.api.errors import Invalid, NotFound
from sampan.api.selectors import Selector
from sampan.client.interface import Client
from sampan.controllers import ownership
from sampan.controllers.writer import Writer

log = logging.getLogger(__name__)


async def claimed(
    client: Client, write: Writer, owner: Any, selector: Selector, candidates: Iterable[Any]
) -> list[Any]:
    """What `owner` controls after adopting and releasing; the objects as they then are.

    Before adopting, the owner is read anew: a cache that does not know of its deletion must not bind orphans to it.
    """
    claim = ownership.claim(owner, selector, candidates)
    for obj in claim.release:
        await _release(write, owner, obj)
    if claim.adopt and await _is_current(client, owner):
        for obj in claim.adopt:
            adopted = await _adopt(write, owner, obj)
            if adopted is not None:
                claim.mine.append(adopted)
    return claim.mine


async def _is_current(client: Client, owner: Any) -> bool:
    try:
        fresh = await client.get(owner.__class__, owner.metadata.name, owner.metadata.namespace)
    except NotFound:
        return False
    return fresh.metadata.uid == owner.metadata.uid and fresh.metadata.deletionTimestamp is None


async def _adopt(write: Writer, owner: Any, obj: Any) -> Any:
    try:
        return await write.patch(obj, ownership.adoption(owner), type="strategic")
    except (NotFound, Invalid) as error:
        log.info("not adopted object=%s/%s reason=%s", obj.metadata.namespace, obj.metadata.name, error)
        return None


async def _release(write: Writer, owner: Any, obj: Any) -> None:
    try:
        await write.patch(obj, ownership.release(owner), type="strategic")
    except (NotFound, Invalid) as error:
        log.info("not released object=%s/%s reason=%s", obj.metadata.namespace, obj.metadata.name, error)
