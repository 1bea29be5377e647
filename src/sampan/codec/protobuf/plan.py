"""What the fields of a type's message mean: its numbers joined with the schema, made on first use.

Two things the schema does not tell. A Go struct always sends the fields it holds by value, be they empty, and leaves
the empty ones out in JSON: `sampan.api.schema.presence` knows which. And a schema inside a CustomResourceDefinition
has places where JSON holds one of two things, a schema or a boolean, say: to Go that is a struct with a field for each,
here a `Choice`.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from sampan.api import schema
from sampan.api.schema import presence
from sampan.codec.protobuf.leaves import LEAVES

TOKEN = re.compile(r"([\w$][\w-]*)=(\d+)|(\d+)\(|(\))")
Numbers = dict[int, "str | Numbers"]
CRD_SCHEMA = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a field goes: `name` in the JSON object, "" for an embedded struct, whose fields are ours (`plan`).

    `fleeting`: JSON leaves the field out when it is zero.
    """

    name: str
    shape: str
    leaf: Any = None
    definition: str = ""
    plan: Any = None
    fleeting: bool = False
    choice: Choice | None = None


Plan = dict[int, Slot]


@dataclass(frozen=True, slots=True)
class Choice:
    """A message that stands for one of several JSON values: the first of `preferred` that it has, else `otherwise`."""

    plan: Plan
    preferred: tuple[str, ...]
    otherwise: Any


FORMS: dict[str, tuple[tuple[Slot, ...], Any]] = {
    "JSONSchemaPropsOrBool": (
        (Slot("schema", "scalar", definition=CRD_SCHEMA), Slot("allows", "scalar", leaf=LEAVES["boolean"])),
        False,
    ),
    "JSONSchemaPropsOrArray": (
        (Slot("jSONSchemas", "list", definition=CRD_SCHEMA), Slot("schema", "scalar", definition=CRD_SCHEMA)),
        None,
    ),
    "JSONSchemaPropsOrStringArray": (
        (Slot("property", "list", leaf=LEAVES["string"]), Slot("schema", "scalar", definition=CRD_SCHEMA)),
        None,
    ),
}


@cache
def of(definition: str) -> Plan | None:
    """The plan for a definition of the schema; None when its numbers are not known."""
    info = schema.load().types[definition]
    numbers = _numbers(schema.namespace_of(definition), info.name)
    return None if numbers is None else _plan(numbers, info)


def _plan(numbers: Numbers, info: schema.TypeInfo) -> Plan:
    slots: Plan = {}
    for number, what in numbers.items():
        if isinstance(what, str):
            slots[number] = _slot(info.fields[what], info)
        else:
            slots[number] = Slot("", "embedded", plan=_plan(what, info))
    return slots


def _slot(field: schema.Field, info: schema.TypeInfo) -> Slot:
    if field.definition:
        return Slot(field.name, field.shape, definition=field.definition)
    shape = field.shape if field.shape in ("list", "map") else "scalar"
    if field.scalar in FORMS:
        return Slot(field.name, shape, choice=_choice(field.scalar))
    kind = "byte" if field.format == "byte" else field.scalar
    return Slot(field.name, shape, leaf=LEAVES.get(kind, LEAVES["RawExtension"]), fleeting=_fleeting(field, info))


@cache
def _choice(name: str) -> Choice:
    slots, otherwise = FORMS[name]
    by_name = {slot.name: slot for slot in slots}
    numbers = _numbers(schema.namespace_of(CRD_SCHEMA), name) or {}
    return Choice({n: by_name[str(what)] for n, what in numbers.items()}, tuple(by_name), otherwise)


def _fleeting(field: schema.Field, info: schema.TypeInfo) -> bool:
    if field.shape != "scalar" or field.required:
        return False
    name = f"{schema.namespace_of(info.definition)}.{info.name}"
    if field.scalar == "string":
        return field.name not in presence.of(presence.POINTER_STRINGS, name)
    return field.name in presence.of(presence.VALUE_SCALARS, name)


def _numbers(namespace: str, name: str) -> Numbers | None:
    """The numbers of a type's fields; None when they are not known."""
    line = _lines(namespace).get(name)
    return None if line is None else _parse(iter(TOKEN.findall(line)))


@cache
def _lines(namespace: str) -> dict[str, str]:
    """A namespace's types and their fields, as text."""
    group = namespace.rpartition("_")[0]
    try:
        table: str = importlib.import_module(f"sampan.codec.protobuf.fields.{group}").FIELDS.get(namespace, "")
    except ModuleNotFoundError:
        return {}
    found: dict[str, str] = {}
    name = ""
    for line in table.splitlines():
        if line.startswith(" " * 12):
            found[name] += line
        elif line.strip():
            name, _, rest = line.strip().partition(" ")
            found[name] = rest
    return found


def _parse(tokens: Iterator[tuple[str, str, str, str]]) -> Numbers:
    numbers: Numbers = {}
    for name, number, embedded, closed in tokens:
        if closed:
            break
        if embedded:
            numbers[int(embedded)] = _parse(tokens)
        else:
            numbers[int(number)] = name
    return numbers
