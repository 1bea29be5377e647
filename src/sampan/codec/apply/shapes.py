"""What server-side apply needs to know of a type: where ownership ends.

A `Shape` says how a value is divided among owners. Scalars and atomic values have one owner; a struct is divided by
field, a map by key, a keyed list by the values of its keys, a set by its elements. The schema states it with
`x-kubernetes-list-type`, `x-kubernetes-list-map-keys` and `x-kubernetes-map-type`; where it is silent lists are
atomic, maps and structs are not, and a list with a merge key for strategic merge is keyed by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from sampan.api import schema
from sampan.api.schema import Field, TypeInfo, presence

MISSING: Any = object()
_encode = msgspec.json.Encoder().encode


class Unkeyed(ValueError):
    """An element of a keyed list has no key, so that nobody can be said to own it."""


class Shape:
    """A scalar or a free-form value, unless a subclass says otherwise."""

    atomic = True

    def __init__(self, scalar: str = "") -> None:
        self.scalar = scalar

    def items(self, value: Any) -> Iterator[tuple[str, Any, Shape]]:
        """(path element, value, shape) of each part that may have an owner of its own."""
        return iter(())

    def parts(self, value: Any) -> dict[str, Any]:
        """The parts of a stored value by a key of their own; see `part`."""
        return {}

    def part(self, key: str) -> tuple[str, Shape]:
        """The path element and the shape of a part."""
        raise KeyError(key)

    def settled(self, value: Any) -> Any:
        """The value as it is once stored."""
        return value


class Struct(Shape):
    """An object with known fields."""

    def __init__(self, info: TypeInfo, *, atomic: bool) -> None:
        self.info = info
        self.atomic = atomic
        self.scalar = ""
        self._fields: dict[str, tuple[str, Shape]] = {}
        self._optional: frozenset[str] | None = None

    def present(self, value: dict[str, Any]) -> dict[str, Any]:
        """The object without the empty lists and maps that are as good as none once it is stored."""
        if all(value.values()):
            return value
        if self._optional is None:
            name = f"{schema.namespace_of(self.info.definition)}.{self.info.name}"
            self._optional = frozenset(
                f.name
                for f in self.info.fields.values()
                if f.shape in ("list", "map")
                and not presence.shows_null(name, f.name, required=f.required, shape=f.shape)
            )
        return {k: v for k, v in value.items() if v or k not in self._optional}

    def parts(self, value: Any) -> dict[str, Any]:
        return self.present(value)

    def part(self, key: str) -> tuple[str, Shape]:
        return self.field(key) or (f"f:{key}", ATOMIC)

    def settled(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {k: found[1].settled(v) if (found := self.field(k)) else v for k, v in self.present(value).items()}

    def field(self, name: str) -> tuple[str, Shape] | None:
        """The path element and the shape of a field, None for a name that the type does not have."""
        found = self._fields.get(name)
        if found is None and name in self.info.fields:
            found = self._fields[name] = f"f:{name}", of_field(self.info.fields[name])
        return found

    def items(self, value: Any) -> Iterator[tuple[str, Any, Shape]]:
        for name, item in value.items():
            found = self.field(name)
            if found is not None:
                yield found[0], item, found[1]


class Map(Shape):
    """An object whose keys are data."""

    def __init__(self, item: Shape, *, atomic: bool) -> None:
        self.item = item
        self.atomic = atomic
        self.scalar = ""

    def items(self, value: Any) -> Iterator[tuple[str, Any, Shape]]:
        for key, item in value.items():
            yield f"f:{key}", item, self.item

    def parts(self, value: Any) -> dict[str, Any]:
        return value

    def part(self, key: str) -> tuple[str, Shape]:
        return f"f:{key}", self.item

    def settled(self, value: Any) -> Any:
        return {k: self.item.settled(v) for k, v in value.items()} if isinstance(value, dict) else value


class Together(tuple[Any, ...]):
    """Elements of a list that cannot be told apart."""


class List(Shape):
    """An atomic list, or a set of scalars."""

    def __init__(self, item: Shape, *, atomic: bool) -> None:
        self.item = item
        self.atomic = atomic
        self.scalar = ""

    def element(self, item: Any) -> str:
        """The path element of an element."""
        return f"v:{_encode(item).decode()}"

    def items(self, value: Any) -> Iterator[tuple[str, Any, Shape]]:
        for item in value:
            yield self.element(item), item, self.item

    def parts(self, value: Any) -> dict[str, Any]:
        """Elements that share a path element are one part, of which only the whole counts."""
        found: dict[str, Any] = {}
        for item in value:
            element = self.element(item)
            found[element] = Together((found[element], item)) if element in found else item
        return found

    def part(self, key: str) -> tuple[str, Shape]:
        return key, self.item

    def settled(self, value: Any) -> Any:
        return [self.item.settled(v) for v in value] if isinstance(value, list) else value


class Keyed(List):
    """A list of objects told apart by the values of some of their fields, of which some have defaults."""

    def __init__(self, item: Shape, keys: tuple[str, ...], defaults: dict[str, Any]) -> None:
        super().__init__(item, atomic=False)
        self.keys = tuple(sorted(keys))
        self.defaults = defaults

    def element(self, item: Any) -> str:
        """Raises Unkeyed for an element that says none of its keys."""
        values = {k: v for k in self.keys if (v := item.get(k, self.defaults.get(k))) is not None}
        if not values:
            raise Unkeyed
        return f"k:{_encode(values).decode()}"


_structs: dict[tuple[str, bool], Struct] = {}
ATOMIC = Shape()


def of_type(info: TypeInfo, *, atomic: bool | None = None) -> Struct:
    """The shape of a struct; `atomic` overrides what its own definition says."""
    divided = info.map_type != "atomic" if atomic is None else not atomic
    key = info.definition, divided
    found = _structs.get(key)
    if found is None:
        found = _structs[key] = Struct(info, atomic=not divided)
    return found


def of_field(field: Field) -> Shape:
    """The shape of what a field holds."""
    if field.shape == "list":
        return _list(field)
    if field.shape == "map":
        return Map(_inner(field), atomic=field.map_type == "atomic")
    if field.shape == "object" and field.type is not None:
        return of_type(field.type, atomic={"atomic": True, "granular": False}.get(field.map_type))
    return ATOMIC if field.shape == "json" else Shape(field.scalar)


def _inner(field: Field) -> Shape:
    if field.type is not None:
        return of_type(field.type)
    return List(Shape(), atomic=True) if field.scalar == "array" else Shape(field.scalar)


def _list(field: Field) -> List:
    item = _inner(field)
    kind, keys = field.list_type, field.list_map_keys
    if not kind and "merge" in field.patch_strategy:
        kind, keys = ("map", (field.merge_key,)) if field.merge_key else ("set", ())
    if kind == "map" and keys and field.type is not None:
        return Keyed(item, keys, {k: v for k in keys if (v := _default(field.type, k)) is not None})
    return List(item, atomic=kind != "set")


def _default(info: TypeInfo, key: str) -> Any:
    """What stands for an absent key: the protocol's default, or the zero value of a required scalar."""
    field = info.fields.get(key)
    if key == "protocol":
        return "TCP"
    if field is None or not field.required:
        return None
    return {"string": "", "integer": 0, "boolean": False}.get(field.scalar)


def of_struct(struct: type) -> Struct:
    """The shape of a Struct class."""
    return of_type(schema.info(struct))
