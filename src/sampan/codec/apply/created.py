"""The fields that a new object brings: what `compare` would find against an empty object, several times faster.

Creating is the write that matters most, and what it owns follows from the object alone. So for each Struct two
functions are generated, from the schema, the shapes and the rules of what an empty object shows:

    fresh(o)   the set of fields of an object that an empty parent shows already, as it does all that it holds by value
    node(o)    the node of an object that was not there, its own path included
    owned(o)   as fresh, without the paths nobody owns; for whole objects and their metadata

They visit fields in order of name, so that the result needs no sorting. For a container's port `node` is

    def node(o):
        t = {".": L}
        t["f:containerPort"] = L
        if o.hostIP is not None: t["f:hostIP"] = L
        ...
        return t if len(t) > 1 else L
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from sampan.api import schema
from sampan.api.bycontent import by_content
from sampan.api.schema import Field, TypeInfo
from sampan.codec.apply.fieldset import LEAF, SELF, Tree
from sampan.codec.apply.shapes import Keyed, List, Map, Shape, Struct, Unkeyed, of_field, of_type
from sampan.codec.apply.stripped import STRIPPED
from sampan.codec.apply.versions import whole

_encode = msgspec.json.Encoder().encode
REPEATED = frozenset({"io.k8s.api.core.v1.PodSpec"})
"""What many objects say alike, and is large enough for remembering to be cheaper than working out."""


def fields(obj: Any) -> Tree:
    """The set of fields of a new object with defaults, in order, without those that nobody owns (STRIPPED).

    What is REPEATED is in it as JSON, not as a tree.
    """
    return _function(schema.info(type(obj)), "owned")(obj)


def _keys(element: Callable[[Any], str], items: Any, node: Callable[[Any], Tree]) -> Tree:
    """The elements of a keyed list."""
    if len(items) == 1:
        return {element(items[0]): node(items[0])}
    found: Tree = {}
    for item in items:
        key = element(item)
        found[key] = LEAF if key in found else node(item)
    return {key: found[key] for key in sorted(found)}


def _set(items: list[Any]) -> Tree:
    return dict.fromkeys(sorted(f"v:{_encode(i).decode()}" for i in items), LEAF)


def _map(items: dict[str, Any], node: Callable[[Any], Tree]) -> Tree:
    return {f"f:{k}": node(items[k]) for k in sorted(items)}


def _leaf(value: Any) -> Tree:
    return LEAF


def _differs(value: Any, empty: Any) -> bool:
    """Whether a Struct is not empty even once stored, without its empty lists and maps."""
    settled = of_type(schema.info(type(value))).settled
    return bool(settled(msgspec.to_builtins(value)) != settled(msgspec.to_builtins(empty)))


_globals: dict[str, Any] = {
    "L": LEAF,
    "S": SELF,
    "keys": _keys,
    "set_": _set,
    "map_": _map,
    "leaf": _leaf,
    "differs": _differs,
}


def _function(info: TypeInfo, sort: str) -> Callable[[Any], Tree]:
    name = _compile(info, sort)
    function: Callable[[Any], Tree] = _globals[name]
    return function


def _compile(info: TypeInfo, sort: str) -> str:
    """The name of the generated function, made when first asked for; a Struct that holds itself finds its own name."""
    name = f"{sort}_{info.definition}".replace(".", "_").replace("-", "_")
    if name not in _globals:
        _globals[name] = lambda obj: _function(info, sort)(obj)
        source = "\n    ".join([f"def {name}(o):", *BODIES[sort](info)])
        exec(compile(source, f"<fields of {info.definition}>", "exec"), _globals)
        if info.definition in REPEATED:
            _globals[name] = _remembering(_globals[name])
    return name


def _remembering(function: Callable[[Any], Tree]) -> Callable[[Any], Tree | msgspec.Raw]:
    """The same, worked out and written down once for all that say the same."""

    @by_content
    def written(obj: Any) -> Tree | msgspec.Raw:
        found = function(obj)
        return msgspec.Raw(_encode(found)) if found else found

    return written


def _named(value: Any) -> str:
    """A name by which generated code knows a value."""
    name = f"constant{len(_globals)}"
    _globals[name] = value
    return name


def _empty(info: TypeInfo) -> dict[str, Any]:
    """What an empty object shows, by JSON name: nulls, zeros, and the objects it holds by value."""
    obj = info.struct()
    whole(obj)
    shown: dict[str, Any] = msgspec.to_builtins(obj)
    return shown


def _sorted(info: TypeInfo, unowned: Tree | None = None) -> Iterator[tuple[Field, str, str]]:
    """(field, the source of its value, of its place in the tree)."""
    for name in sorted(info.fields):
        if unowned and (path := unowned.get(f"f:{name}")) is not None and not path:
            continue
        field = info.fields[name]
        yield field, f"o.{field.attribute}", f't["f:{name}"]'


def _node(info: TypeInfo) -> Iterator[str]:
    shown = _empty(info)
    yield "t = {S: L}"
    for field, value, place in _sorted(info):
        found = _added(of_field(field), value)
        if shown.get(field.name, LEAF) is not None:
            yield f"if {_present(field, value)}: {place} = {found}"
        elif found == "L":
            yield f"{place} = L"
        else:
            yield f"{place} = L if {value} is None else {found}"
    yield "return t if len(t) > 1 else L"


def _present(field: Field, value: str) -> str:
    """An empty list or map is as good as none."""
    return value if field.shape in ("list", "map") else f"{value} is not None"


def _added(shape: Shape, value: str) -> str:
    """The source of the node of a value that was not there."""
    if shape.atomic:
        return "L"
    if isinstance(shape, Struct):
        return f"{_compile(shape.info, 'node')}({value})"
    return f"({{S: L, **{_parts(shape, value)}}} if {value} else L)"


def _parts(shape: Shape, value: str) -> str:
    """The source of the nodes of a list's or map's parts, all of them new."""
    if isinstance(shape, Keyed):
        return f"keys({_element(shape)}, {value}, {_item(shape.item)})"
    if isinstance(shape, List):
        return f"set_({value})"
    assert isinstance(shape, Map)
    return f"map_({value}, {_item(shape.item)})"


def _item(shape: Shape) -> str:
    return _compile(shape.info, "node") if isinstance(shape, Struct) and not shape.atomic else "leaf"


def _element(shape: Keyed) -> str:
    """The name of a function from an element's Struct to its path element."""
    keys = [(k, schema.attribute_of(k), shape.defaults.get(k)) for k in shape.keys]

    def element(item: Any) -> str:
        values = {k: default if (v := getattr(item, a)) is None else v for k, a, default in keys}
        found = {k: v for k, v in values.items() if v is not None}
        if not found:
            raise Unkeyed
        return f"k:{_encode(found).decode()}"

    def single(item: Any) -> str:
        found = getattr(item, attribute)
        found = default if found is None else found
        if found is None:
            raise Unkeyed
        return f'k:{{"{key}":{_encode(found).decode()}}}'

    key, attribute, default = keys[0]
    return _named(single if len(keys) == 1 else element)


def _owned(info: TypeInfo) -> Iterator[str]:
    """Of an object or of its metadata."""
    return _fresh(info, STRIPPED if "metadata" in info.fields else STRIPPED["f:metadata"])


def _fresh(info: TypeInfo, unowned: Tree | None = None) -> Iterator[str]:
    shown = _empty(info)
    yield "t = {}"
    for field, value, place in _sorted(info, unowned):
        shape = of_field(field)
        if field.name not in shown:
            yield f"if {_present(field, value)}: {place} = {_added(shape, value)}"
        elif shown[field.name] is None:
            yield from _was_null(shape, value, place)
        elif field.shape == "object":
            yield from _by_value(shape, value, place, "owned" if unowned and field.name == "metadata" else "fresh")
        else:
            yield f"if {value} is not None and {value} != {shown[field.name]!r}: {place} = L"
    yield "return t"


def _by_value(shape: Shape, value: str, place: str, sort: str) -> Iterator[str]:
    """An object that an empty parent shows too."""
    assert isinstance(shape, Struct)
    if shape.atomic:
        empty = shape.info.struct()
        whole(empty)
        yield f"if {value} != {_named(empty)} and differs({value}, {_named(empty)}): {place} = L"
    else:
        yield f"c = {_compile(shape.info, sort)}({value})"
        yield f"if c: {place} = c"


def _was_null(shape: Shape, value: str, place: str) -> Iterator[str]:
    """A field that an empty parent shows as null: what comes to hold something is not itself new."""
    yield f"if {value} is not None:"
    if shape.atomic:
        yield f"    {place} = L"
    elif isinstance(shape, Struct):
        yield f"    {place} = c if (c := {_compile(shape.info, 'fresh')}({value})) else L"
    else:
        yield f"    {place} = {_parts(shape, value)} if {value} else L"


BODIES = {"node": _node, "fresh": _fresh, "owned": _owned}
