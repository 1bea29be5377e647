"""What the fields of a type's message mean: its numbers joined with the schema, made on first use."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from sampan.api import schema
from sampan.codec.protobuf.leaves import LEAVES

TOKEN = re.compile(r"(\w[\w$-]*)=(\d+)|(\d+)\(|(\))")
Numbers = dict[int, "str | Numbers"]


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a field goes: `name` in the JSON object, "" for an embedded struct, whose fields are ours (`plan`)."""

    name: str
    shape: str
    leaf: Any = None
    definition: str = ""
    plan: Any = None


Plan = dict[int, Slot]


@cache
def of(definition: str) -> Plan | None:
    """The plan for a definition of the schema; None when its numbers are not known."""
    info = schema.load().types[definition]
    numbers = _lines(schema.namespace_of(definition)).get(info.name)
    return None if numbers is None else _plan(_parse(iter(TOKEN.findall(numbers))), info)


def _plan(numbers: Numbers, info: schema.TypeInfo) -> Plan:
    slots: Plan = {}
    for number, what in numbers.items():
        if isinstance(what, str):
            slots[number] = _slot(info.fields[what])
        else:
            slots[number] = Slot("", "embedded", plan=_plan(what, info))
    return slots


def _slot(field: schema.Field) -> Slot:
    if field.definition:
        return Slot(field.name, field.shape, definition=field.definition)
    kind = "byte" if field.format == "byte" else field.scalar
    shape = field.shape if field.shape in ("list", "map") else "scalar"
    return Slot(field.name, shape, leaf=LEAVES.get(kind, LEAVES["RawExtension"]))


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
