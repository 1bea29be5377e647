"""The same object in another version.

Most versions of a kind differ in name only: the JSON is read again as the other version. Where more differs, a module
here holds two functions over the JSON, one each way, in its table WAYS: (group and version from, to) -> function.
What a version cannot express is kept in annotations, as upstream does, so that nothing is lost on the way through it.
Defaults are not applied: what a user did not say in one version is not said in the other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from sampan.api import decoding, defaults, registry
from sampan.api.conversion import autoscaling, events, resource
from sampan.api.registry import Kind

Way = Callable[[dict[str, Any]], None]

WAYS: dict[tuple[str, str, str], Way] = {**autoscaling.WAYS, **events.WAYS, **resource.WAYS}


def convert(obj: Any, source: Kind, target: Kind) -> Any:
    """`obj`, a Struct of `source`, as a new Struct of `target`; `obj` itself when both are one."""
    if source is target:
        return obj
    plain = msgspec.to_builtins(obj)
    way = WAYS.get((source.kind, source.api_version, target.api_version))
    if way is not None:
        way(plain)
    plain["kind"], plain["apiVersion"] = target.kind, target.api_version
    converted, _ = decoding.convert(target.struct, plain)
    defaults.show(converted)
    return converted


def to_stored(kind: Kind, obj: Any) -> Any:
    """The object in the version that is stored."""
    return convert(obj, kind, registry.builtin().stored(kind))


def from_stored(kind: Kind, obj: Any) -> Any:
    """A stored object as `kind`."""
    return convert(obj, registry.builtin().stored(kind), kind)
