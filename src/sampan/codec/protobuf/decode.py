"""From a protobuf body to the JSON value of the object in it."""

from __future__ import annotations

from typing import Any

from sampan.api import schema
from sampan.codec.errors import CodecError
from sampan.codec.protobuf import leaves, plan
from sampan.codec.protobuf.wire import Malformed, fields

CONTENT_TYPE = "application/vnd.kubernetes.protobuf"
MAGIC = b"k8s\x00"
DEPTH_LIMIT = 64


class Unsupported(CodecError):
    """A well-formed message of a type, or with a field, whose numbers are not in our tables."""


def decode(data: bytes) -> dict[str, Any]:
    """The object of an enveloped message as a JSON value, apiVersion and kind first. Raises Malformed, Unsupported."""
    if not data.startswith(MAGIC):
        raise Malformed("provided data does not appear to be a protobuf message, expected prefix k8s")
    envelope = leaves.message(data[len(MAGIC) :])
    kind_of = leaves.message(envelope.get(1, b""))
    api_version, kind = leaves.text(kind_of.get(1, b"")), leaves.text(kind_of.get(2, b""))
    layout = plan.of(_definition(api_version, kind))
    if layout is None:
        raise Unsupported(f"{api_version} {kind} cannot be sent as protobuf: send it as application/json")
    return {"apiVersion": api_version, "kind": kind, **_object(layout, envelope.get(2, b""), 0)}


def _definition(api_version: str, kind: str) -> str:
    """The schema's definition of a kind; options such as DeleteOptions belong to every group."""
    group, _, version = api_version.rpartition("/")
    for definition, info in schema.load().types.items():
        if (group, version, kind) in info.kinds:
            return definition
    raise Unsupported(f'no kind "{kind}" is registered for version "{api_version}"')


def _object(layout: plan.Plan, data: Any, depth: int) -> dict[str, Any]:
    if depth > DEPTH_LIMIT:
        raise Malformed(f"the protobuf message is nested deeper than {DEPTH_LIMIT}")
    if not isinstance(data, bytes):
        raise Malformed("a protobuf message field holds no message")
    found: dict[str, Any] = {}
    for number, _, content in fields(data):
        slot = layout.get(number)
        if slot is None:
            raise Unsupported(
                f"field number {number} of the protobuf message is not known: send it as application/json"
            )
        if slot.shape == "embedded":
            found |= _object(slot.plan, content, depth + 1)
        elif slot.shape == "list":
            found.setdefault(slot.name, []).append(_value(slot, content, depth))
        elif slot.shape == "map":
            _entry(slot, content, found.setdefault(slot.name, {}), depth)
        else:
            found[slot.name] = _value(slot, content, depth)
            if slot.fleeting and not found[slot.name]:
                del found[slot.name]
    return found


def _entry(slot: plan.Slot, data: Any, into: dict[str, Any], depth: int) -> None:
    """A map's entry: 1 the key, 2 the value."""
    parts = leaves.message(data)
    into[leaves.text(parts.get(1, b""))] = _value(slot, parts.get(2, b""), depth)


def _value(slot: plan.Slot, content: Any, depth: int) -> Any:
    if slot.choice is not None:
        forms = _object(slot.choice.plan, content, depth)
        return next((forms[name] for name in slot.choice.preferred if name in forms), slot.choice.otherwise)
    if not slot.definition:
        return slot.leaf(content)
    layout = plan.of(slot.definition)
    if layout is None:
        raise Unsupported(f'the field "{slot.name}" cannot be sent as protobuf: send it as application/json')
    return _object(layout, content, depth + 1)
