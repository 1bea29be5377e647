"""What a strategy is made of, and the habits that kinds share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Create = Callable[[Any], None]
Update = Callable[[Any, Any], None]
Stamp = Callable[[Any, Any, str], None]

# What a status update may not touch where metadata belongs to the owner of the spec.
RESERVED = ("labels", "annotations", "finalizers", "ownerReferences")


def keep_all(new: Any, old: Any) -> None:
    """A status update may change metadata as well."""


def keep_labels(new: Any, old: Any) -> None:
    new.labels = old.labels


def reset_metadata(new: Any, old: Any) -> None:
    """A status update changes no metadata but managedFields."""
    for name in RESERVED:
        setattr(new, name, getattr(old, name))


def spec_changed(new: Any, old: Any) -> bool:
    return bool(new.spec != old.spec)


def content_changed(new: Any, old: Any) -> bool:
    """Anything but metadata and status changed."""
    names = [n for n in new.__struct_fields__ if n not in ("kind", "apiVersion", "metadata", "status")]
    return any(getattr(new, n) != getattr(old, n) for n in names)


def never(new: Any, old: Any) -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """The habits of one kind.

    `generation`: whether it counts generations, a new one when `changed(new, old)`. `drops_status`: whether a
    creator's status is dropped. `create`, `update`, `subresources`: rules of its own, in place.
    `status_metadata(new, old)`: what becomes of metadata when the status is updated. `stamps`: by subresource ("" for
    the object's own endpoint), what gets the time (RFC 3339) at which an update makes it so. `resets`: by subresource,
    the paths (as fieldsV1 writes them) that nobody comes to own through it, where these are not the obvious ones.
    """

    generation: bool = False
    changed: Callable[[Any, Any], bool] = content_changed
    drops_status: bool = True
    drops_status_on_update: bool = True
    create: Create | None = None
    update: Update | None = None
    subresources: dict[str, Update] = field(default_factory=dict)
    status_metadata: Update = keep_all
    stamps: dict[str, Stamp] = field(default_factory=dict)
    resets: dict[str, dict[str, Any]] = field(default_factory=dict)


DEFAULT = Strategy()
COUNTED = Strategy(generation=True)
