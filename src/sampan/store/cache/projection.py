"""Decoding only what a selector asks for: a Struct that names labels and selectable fields; msgspec skips the rest."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Any

import msgspec

log = logging.getLogger(__name__)


class Selectable(msgspec.Struct, frozen=True):
    """A selectable field: the first of `paths` (dotted JSON names) that is set, else `default`.

    Booleans read "true" and "false", as field selectors write them.
    """

    paths: tuple[str, ...]
    default: str = ""


Fields = Iterable[str] | Mapping[str, Selectable]


class Projection:
    """What of one resource's objects can be selected by. May be configured anew while nothing has been decoded."""

    def __init__(self, fields: Fields = ()) -> None:
        self._fields: dict[str, Selectable] | None = None
        self.configure(fields)

    def configure(self, fields: Fields) -> None:
        if not isinstance(fields, Mapping):
            fields = {name: Selectable((name,)) for name in fields}
        if self._fields == fields:
            return
        self._fields = dict(fields)
        tree: dict[str, Any] = {"metadata": {"labels": None}}
        for field in fields.values():
            for path in field.paths:
                _plant(tree, path.split("."))
        self.names = frozenset(fields)
        self._getters = {
            name: ([attrgetter(".".join(_attribute(part) for part in path.split("."))) for path in field.paths], field)
            for name, field in fields.items()
        }
        self._tree = tree
        self._decoder: msgspec.json.Decoder[Any] | None = None

    def decode(self, data: bytes) -> Any:
        """The struct for `labels` and `value`. What is no object at all has nothing set: readers of others go on."""
        decoder = self._decoder or self._compiled()
        try:
            return decoder.decode(data)
        except msgspec.DecodeError as error:
            log.error("stored object cannot be decoded error=%s begins=%r", error, data[:200])
            return decoder.decode(b"{}")

    def _compiled(self) -> msgspec.json.Decoder[Any]:
        """Made when it is first needed: it takes a millisecond, and most resources of a young cluster have nothing."""
        self._decoder = msgspec.json.Decoder(_struct("Selected", self._tree))
        return self._decoder

    @staticmethod
    def labels(decoded: Any) -> Mapping[str, str]:
        metadata = decoded.f_metadata
        return (metadata.f_labels if metadata is not None else None) or NO_LABELS

    def value(self, decoded: Any, name: str) -> str:
        """Raises KeyError for a field that is not selectable."""
        getters, field = self._getters[name]
        for getter in getters:
            value = _read(getter, decoded)
            if value is not None and value != "":
                return _text(value)
        return field.default


NO_LABELS: dict[str, str] = {}


def _plant(tree: dict[str, Any], path: list[str]) -> None:
    for part in path[:-1]:
        tree = tree.setdefault(part, {})
    tree[path[-1]] = None


def _attribute(name: str) -> str:
    return f"f_{name}".replace("-", "_")


def _struct(name: str, tree: dict[str, Any]) -> type:
    """A frozen Struct for a tree of names (a None is a leaf), in which everything is optional."""
    fields: list[tuple[str, Any, Any]] = []
    for part, below in tree.items():
        if below is None:
            fields.append((_attribute(part), Any, None))
        else:
            inner = _struct(f"{name}_{part}", below)
            fields.append((_attribute(part), inner | None, inner()))
    rename = {_attribute(part): part for part in tree}
    return msgspec.defstruct(name, fields, rename=rename, frozen=True, gc=False)


def _read(getter: Any, decoded: Any) -> Any:
    try:
        return getter(decoded)
    except AttributeError:
        # A null where an object is expected.
        return None


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)
