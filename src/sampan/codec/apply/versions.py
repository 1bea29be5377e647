"""An object as JSON, in whichever version an owner speaks.

Ownership is recorded in the version of the request. When an owner has spoken another one, what changed is looked at in
that version too, so that its paths mean what it meant.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from sampan.api import schema
from sampan.api.defaults.compile import Compiler
from sampan.api.kinds import meta_v1
from sampan.api.registry import Kind, builtin
from sampan.codec.apply import shapes

_whole = Compiler(hooks={}, constants={})


def to_json(obj: Any) -> dict[str, Any]:
    """An object as upstream would show it, without managedFields."""
    kept, obj.metadata.managedFields = obj.metadata.managedFields, None
    try:
        value: dict[str, Any] = msgspec.to_builtins(obj)
    finally:
        obj.metadata.managedFields = kept
    return value


def whole(obj: Any) -> None:
    """Fills in, in place, what an object always shows; without defaults."""
    struct = type(obj)
    function = _whole.function(struct) if struct in schema.load().by_struct else None
    if function is not None:
        function(obj)


@cache
def empty(kind: Kind) -> dict[str, Any]:
    """What an object of the kind shows before anyone has said anything; not to be changed."""
    obj = kind.struct(metadata=meta_v1.ObjectMeta())
    whole(obj)
    return to_json(obj)


@cache
def shape(kind: Kind) -> shapes.Struct:
    return shapes.of_struct(kind.struct)


class View:
    """One object in several versions, converted when asked for; None stands for the object before its creation."""

    def __init__(self, kind: Kind, obj: Any, value: dict[str, Any] | None = None) -> None:
        self._kind = kind
        self._obj = obj
        self._values: dict[str, dict[str, Any] | None] = {}
        if value is not None:
            self._values[kind.api_version] = value

    def at(self, api_version: str) -> dict[str, Any] | None:
        """The object as JSON in that version; None when the kind is not served in it."""
        if api_version not in self._values:
            self._values[api_version] = self._make(api_version)
        return self._values[api_version]

    def _make(self, api_version: str) -> dict[str, Any] | None:
        kind = kind_at(self._kind, api_version)
        if kind is None:
            return None
        return empty(kind) if self._obj is None else to_json(convert(self._obj, self._kind, kind))


def convert(obj: Any, kind: Kind, wanted: Kind) -> Any:
    """An object in another version of its kind."""
    if wanted is kind:
        return obj
    from sampan.api import conversion

    return conversion.convert(obj, kind, wanted)


def kind_at(kind: Kind, api_version: str) -> Kind | None:
    """The same kind in another version, None when it is not served there."""
    if api_version == kind.api_version:
        return kind
    try:
        return builtin().kind(api_version, kind.kind)
    except KeyError:
        return None
