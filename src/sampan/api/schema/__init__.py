"""The Kubernetes v1.36 schema, compiled into msgspec Structs.

Every object definition becomes one mutable Struct whose attributes carry the JSON names (`pod.spec.nodeName`), so
that decoding bytes gives typed values at the price of `json.loads`. The rules:

* Every field may be absent, is then None, and is left out when encoded, or written as null where upstream does so
  (`sampan.api.schema.presence`). What upstream calls required is a matter of
  validation, which can name all missing fields in one answer; a decoder stops at the first.
* A name that Python cannot spell gets a trailing underscore (`from_`, `continue_`) or `_` for each odd character
  (`x_kubernetes_map_type`); on the wire it stays what it is.
* The Structs refuse unknown fields. That costs nothing and is how a typo is noticed; `sampan.api.decoding` catches
  the refusal, prunes the unknown fields and tells their paths.
* Quantities are `str | int | float`, IntOrString is `int | str`, times and bytes are `str`; JSON, RawExtension and
  FieldsV1 are plain JSON values.
* A kind's `kind` and `apiVersion` are filled in by its constructor, come first, and are followed by `metadata`, so
  that the encoded form always begins with the same bytes.

What a Struct cannot say (patch strategy, list type, merge keys, required, format) stands in `TypeInfo`, by field.
"""

from __future__ import annotations

import hashlib
import keyword
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import msgspec

from sampan.api.schema import presence

HERE = Path(__file__).parent
REF = "#/$defs/"
TIMES = (".Time", ".MicroTime")
INTEGERS = {
    "int32": Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)],
    "int64": Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)],
}
SCALARS: dict[str, Any] = {"string": str, "boolean": bool, "number": float, "integer": INTEGERS["int64"], "object": Any}
SPECIAL: dict[str, Any] = {
    "Quantity": str | int | float,
    "IntOrString": INTEGERS["int32"] | str,
    "Time": str,
    "MicroTime": str,
    "FieldsV1": Any,
    "RawExtension": Any,
    "Patch": Any,
    "JSON": Any,
    "JSONSchemaPropsOrBool": Any,
    "JSONSchemaPropsOrArray": Any,
    "JSONSchemaPropsOrStringArray": Any,
}
FIRST = {"kind": 0, "apiVersion": 1, "metadata": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """What the schema says of one field beyond its Python type.

    `shape` is "scalar", "object" (a Struct), "list", "map" or "json" (any value); `scalar` names the leaf type
    ("string", "integer", "boolean", "number", "Quantity", "Time", ...); `type` is the TypeInfo of the Struct that the
    field, its items or its values hold, None when they are scalars.
    """

    name: str
    attribute: str
    shape: str
    scalar: str = ""
    format: str = ""
    definition: str = ""
    required: bool = False
    patch_strategy: tuple[str, ...] = ()
    merge_key: str = ""
    list_type: str = ""
    list_map_keys: tuple[str, ...] = ()
    map_type: str = ""
    enum: tuple[str, ...] = ()

    @property
    def type(self) -> TypeInfo | None:
        return load().types.get(self.definition)


@dataclass(slots=True, kw_only=True)
class TypeInfo:
    """A definition: its full name, its Struct, its fields by JSON name, the kinds it stands for, its map type."""

    definition: str
    struct: type[msgspec.Struct]
    fields: dict[str, Field]
    kinds: tuple[tuple[str, str, str], ...] = ()
    map_type: str = ""
    name: str = field(init=False)

    def __post_init__(self) -> None:
        self.name = self.definition.rsplit(".", 1)[-1]


class Namespace:
    """The Structs of one group and version as attributes: `core_v1.Pod`."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{self.__name__} has no definition {name!r} in this version of the API")

    def __dir__(self) -> list[str]:
        return sorted(k for k in self.__dict__ if k != "__name__")


@dataclass(slots=True)
class Schema:
    types: dict[str, TypeInfo] = field(default_factory=dict)
    by_struct: dict[type, TypeInfo] = field(default_factory=dict)
    namespaces: dict[str, Namespace] = field(default_factory=dict)


@cache
def load() -> Schema:
    """The compiled schema; made once, on first use."""
    path = HERE / "definitions.json"
    if not path.exists():
        raise RuntimeError(f"{path} is missing: it is made when Sampan is installed, run `pip install -e .`")
    return Compiler(msgspec.json.decode(path.read_bytes())).schema


@cache
def descriptions() -> dict[str, dict[str, str]]:
    """The prose of the schema: definition -> field -> text, the definition's own text under ""."""
    return msgspec.json.decode((HERE / "descriptions.json").read_bytes(), type=dict[str, dict[str, str]])


def descriptions_of(definitions: set[str]) -> dict[str, dict[str, str]]:
    """The prose of these definitions alone, for who needs a few: the rest is skipped, not decoded."""
    names = {f"d{number}": name for number, name in enumerate(sorted(definitions))}
    fields: list[Any] = [(short, dict[str, str], msgspec.field(default_factory=dict)) for short in names]
    wanted = msgspec.defstruct("Wanted", fields, rename=names)
    found = msgspec.json.decode((HERE / "descriptions.json").read_bytes(), type=wanted)
    return {name: getattr(found, short) for short, name in names.items()}


@cache
def fingerprint() -> str:
    """Names the schema's content, prose included."""
    names = ("definitions.json", "descriptions.json")
    return hashlib.sha256(b"".join((HERE / name).read_bytes() for name in names)).hexdigest()


def raw_definitions() -> dict[str, Any]:
    """The schema's definitions without prose, freshly read; large, so do not keep them."""
    return msgspec.json.decode((HERE / "definitions.json").read_bytes())


def info(struct: type) -> TypeInfo:
    """The TypeInfo of a Struct class; KeyError for a class the schema does not know."""
    return load().by_struct[struct]


def attribute_of(name: str) -> str:
    """The Python attribute for a JSON field name."""
    spelled = re.sub(r"\W", "_", name)
    return f"{spelled}_" if keyword.iskeyword(spelled) else spelled


def namespace_of(definition: str) -> str:
    """`io.k8s.api.core.v1.Pod` belongs to `core_v1`, `...pkg.apis.meta.v1.Status` to `meta_v1`."""
    group, version = definition.split(".")[-3:-1]
    return f"{group}_{version}"


class Compiler:
    """Turns definitions into Structs, each after those it refers to; a cycle is closed by name."""

    def __init__(self, definitions: dict[str, Any]) -> None:
        self._definitions = definitions
        self._open: set[str] = set()
        self._module = type(msgspec)("sampan.api.schema.structs")
        self.schema = Schema()
        _modules()[self._module.__name__] = self._module
        for definition in definitions:
            self._compile(definition)

    def _compile(self, definition: str) -> Any:
        """The Python type for a definition: a Struct, or what stands for a special one."""
        short = definition.rsplit(".", 1)[-1]
        if short in SPECIAL:
            return SPECIAL[short]
        if definition in self.schema.types:
            return self.schema.types[definition].struct
        if definition in self._open:
            return _identifier(definition)
        self._open.add(definition)
        struct = self._struct(definition, self._definitions[definition])
        self._open.discard(definition)
        return struct

    def _struct(self, definition: str, source: dict[str, Any]) -> type[msgspec.Struct]:
        kinds = tuple((k["group"], k["version"], k["kind"]) for k in source.get("x-kubernetes-group-version-kind", ()))
        properties = source.get("properties", {})
        fields = {n: self._field(n, properties[n], n in source.get("required", ())) for n in properties}
        names = sorted(properties, key=lambda n: (FIRST.get(n, 3), n))
        struct = msgspec.defstruct(
            _identifier(definition),
            [self._declaration(n, properties[n], kinds, fields[n], definition) for n in names],
            module=self._module.__name__,
            rename={fields[n].attribute: n for n in names if fields[n].attribute != n},
            kw_only=True,
            omit_defaults=True,
            gc=False,
            forbid_unknown_fields=True,
            repr_omit_defaults=True,
        )
        struct.__qualname__ = struct.__name__
        setattr(self._module, struct.__name__, struct)
        map_type = source.get("x-kubernetes-map-type", "")
        self._record(TypeInfo(definition=definition, struct=struct, fields=fields, kinds=kinds, map_type=map_type))
        return struct

    def _record(self, info: TypeInfo) -> None:
        schema, name = self.schema, namespace_of(info.definition)
        schema.types[info.definition] = schema.by_struct[info.struct] = info
        setattr(schema.namespaces.setdefault(name, Namespace(name)), info.name, info.struct)

    def _declaration(
        self, name: str, source: dict[str, Any], kinds: tuple[tuple[str, str, str], ...], field: Field, definition: str
    ) -> Any:
        annotation = self._type(source)
        if name in ("kind", "apiVersion") and len(kinds) == 1:
            group, version, kind = kinds[0]
            value = kind if name == "kind" else f"{group}/{version}" if group else version
            return name, str, msgspec.field(default_factory=lambda: value)
        optional = f"{annotation} | None" if isinstance(annotation, str) else annotation | None
        qualified = f"{namespace_of(definition)}.{definition.rsplit('.', 1)[-1]}"
        if presence.shows_null(qualified, name, required=field.required, shape=field.shape):
            return attribute_of(name), optional, msgspec.field(default_factory=_null)
        return attribute_of(name), optional, None

    def _type(self, source: dict[str, Any]) -> Any:
        if "$ref" in source:
            return self._compile(source["$ref"].removeprefix(REF))
        kind = _kind(source)
        if kind == "array":
            return _container("list[{}]", list.__class_getitem__, self._type(source["items"]))
        if "additionalProperties" in source:
            inner = self._type(source["additionalProperties"])
            if source["additionalProperties"].get("$ref", "").endswith(TIMES):
                inner |= None  # the zero time among a map's values is written as null
            return _container("dict[str, {}]", lambda value: dict.__class_getitem__((str, value)), inner)
        return INTEGERS.get(source.get("format", ""), SCALARS[kind])

    def _field(self, name: str, source: dict[str, Any], required: bool) -> Field:
        shape, leaf = _shape(source)
        definition = leaf.get("$ref", "").removeprefix(REF)
        short = definition.rsplit(".", 1)[-1]
        if definition and short not in SPECIAL and shape == "scalar":
            shape = "object"
        elif shape == "scalar" and (SPECIAL.get(short) is Any or (_kind(leaf) == "object" and not definition)):
            shape = "json"
        strategy = source.get("x-kubernetes-patch-strategy", "")
        return Field(
            name=name,
            attribute=attribute_of(name),
            shape=shape,
            scalar=short if short in SPECIAL else "" if definition else _kind(leaf),
            format=leaf.get("format", ""),
            definition="" if short in SPECIAL else definition,
            required=required,
            patch_strategy=tuple(strategy.split(",")) if strategy else (),
            merge_key=source.get("x-kubernetes-patch-merge-key", ""),
            list_type=source.get("x-kubernetes-list-type", ""),
            list_map_keys=tuple(source.get("x-kubernetes-list-map-keys", ())),
            map_type=source.get("x-kubernetes-map-type", ""),
            enum=tuple(v for v in source.get("enum", ()) if v is not None),
        )


def _container(spelling: str, make: Any, inner: Any) -> Any:
    """The type of a list or map of `inner`; a string when `inner` is still only a name."""
    if isinstance(inner, str):
        return spelling.format(inner)
    return make(inner)


def _null() -> None:
    """A default that msgspec does not know to be one, so that it is written as null and not left out."""


def _shape(source: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Whether a field is a list, a map or one value, and the source of its leaf."""
    if "items" in source:
        return "list", source["items"]
    if "additionalProperties" in source:
        return "map", source["additionalProperties"]
    return "scalar", source


def _kind(source: dict[str, Any]) -> str:
    kind = source.get("type", "object")
    return kind if isinstance(kind, str) else next(k for k in kind if k != "null")


def _identifier(definition: str) -> str:
    return f"{definition.rsplit('.', 1)[-1]}__{namespace_of(definition)}"


def _modules() -> dict[str, Any]:
    import sys

    return sys.modules


def walk(struct: type) -> Iterator[TypeInfo]:
    """A Struct's TypeInfo and those of all it refers to, each once."""
    seen: set[str] = set()
    todo = [info(struct)]
    while todo:
        current = todo.pop()
        if current.definition not in seen:
            seen.add(current.definition)
            yield current
            todo.extend(f.type for f in current.fields.values() if f.type)
