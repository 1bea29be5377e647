"""What a request may touch of an object, and what the server sets itself.

The endpoint decides: creating drops what only the server knows (status), the object's own endpoint leaves the status
as it was, `/status` leaves all else as it was. `metadata.generation` counts the changes of what a user asks for. A
kind's `Strategy` states its habits as data, and its few own rules as functions; kinds without a row behave like most.
The order on the way of a write is: defaults, mutating admission, strategy, validation. Before `prepare_create` the
server has set uid, creationTimestamp and the namespace.
"""

from __future__ import annotations

from typing import Any

from sampan.aio.clock import timestamp
from sampan.api import defaults
from sampan.api.registry import Kind
from sampan.api.schema.compact import compact
from sampan.api.strategy import gates, groups
from sampan.api.strategy.habits import DEFAULT, Strategy


def of(kind: Kind) -> Strategy:
    """The strategy of a kind."""
    return groups.STRATEGIES.get((kind.group, kind.kind), DEFAULT)


def prepare_create(kind: Kind, obj: Any) -> None:
    """Resets, in place, what a creator may not set. The object has its defaults, uid and creationTimestamp."""
    strategy = of(kind)
    meta = obj.metadata
    meta.deletionTimestamp = meta.deletionGracePeriodSeconds = None
    meta.selfLink = None
    if strategy.drops_status and "status" in kind.subresources:
        obj.status = None
        defaults.apply_to(obj)
    if strategy.generation:
        meta.generation = 1
    gates.drop_disabled(kind, obj, None)
    if strategy.create is not None:
        strategy.create(obj)


def prepare_update(kind: Kind, new: Any, old: Any, subresource: str = "", *, now: float) -> None:
    """Brings back, in place, what the endpoint may not change; counts the generation. Both have their defaults; `now`
    is in seconds since the epoch."""
    strategy = of(kind)
    compact(new)
    _keep_system_fields(new.metadata, old.metadata)
    if subresource:
        _only_subresource(strategy, new, old, subresource)
    elif "status" in kind.subresources and strategy.drops_status_on_update:
        new.status = old.status
    if not subresource:
        gates.drop_disabled(kind, new, old)
    if strategy.update is not None and not subresource:
        strategy.update(new, old)
    if (stamp := strategy.stamps.get(subresource)) is not None:
        stamp(new, old, timestamp(now))
    if strategy.generation and subresource != "status" and strategy.changed(new, old):
        new.metadata.generation = (old.metadata.generation or 0) + 1


def _keep_system_fields(new: Any, old: Any) -> None:
    """What the server alone sets, taken from the old object where the request is silent or may not say."""
    new.generation = old.generation
    new.selfLink = None
    new.deletionTimestamp = old.deletionTimestamp
    new.deletionGracePeriodSeconds = old.deletionGracePeriodSeconds
    if not new.uid:
        new.uid = old.uid
    if not new.creationTimestamp:
        new.creationTimestamp = old.creationTimestamp


def _only_subresource(strategy: Strategy, new: Any, old: Any, subresource: str) -> None:
    judge = strategy.subresources.get(subresource)
    if judge is not None:
        judge(new, old)
    elif subresource == "status":
        for name in new.__struct_fields__:
            if name not in ("kind", "apiVersion", "metadata", "status"):
                setattr(new, name, getattr(old, name))
        strategy.status_metadata(new.metadata, old.metadata)
