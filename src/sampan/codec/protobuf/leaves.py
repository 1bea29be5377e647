"""Values that are no objects of the schema: scalars, and small messages that JSON writes as one string or number."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import msgspec

from sampan.aio.clock import timestamp
from sampan.codec.protobuf.wire import Malformed, double, fields, signed


def text(value: Any) -> str:
    try:
        return str(value, "utf-8")
    except (UnicodeDecodeError, TypeError):
        raise Malformed("a protobuf string field holds no UTF-8 text") from None


def integer(value: Any) -> int:
    if not isinstance(value, int):
        raise Malformed("a protobuf integer field holds no integer")
    return signed(value)


def number(value: Any) -> float:
    if not isinstance(value, bytes) or len(value) != 8:
        raise Malformed("a protobuf double field holds no double")
    return double(value)


def encoded(value: Any) -> str:
    """Bytes, which JSON writes in base64."""
    if not isinstance(value, bytes):
        raise Malformed("a protobuf bytes field holds no bytes")
    return base64.b64encode(value).decode()


def message(value: Any) -> dict[int, Any]:
    """The fields of a small message by number, the last of each."""
    if not isinstance(value, bytes):
        raise Malformed("a protobuf message field holds no message")
    return {field: content for field, _, content in fields(value)}


def quantity(value: Any) -> str:
    return text(message(value).get(1, b"0"))


def int_or_string(value: Any) -> int | str:
    parts = message(value)
    return text(parts.get(3, b"")) if parts.get(1) else integer(parts.get(2, 0))


def time(value: Any) -> str | None:
    """Whole seconds; an empty message is Go's zero time, which JSON writes as null."""
    parts = message(value)
    return _seconds(parts) if parts else None


def micro_time(value: Any) -> str | None:
    parts = message(value)
    if not parts:
        return None
    return f"{_seconds(parts)[:-1]}.{integer(parts.get(2, 0)) // 1000:06d}Z"


def _seconds(parts: dict[int, Any]) -> str:
    try:
        return timestamp(integer(parts.get(1, 0)))
    except (OverflowError, OSError, ValueError):
        raise Malformed("a protobuf time is beyond the calendar") from None


def raw_json(value: Any) -> Any:
    """JSON carried as bytes, none for null: FieldsV1, RawExtension, a default or example in a schema."""
    content = message(value).get(1) or b"null"
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError, TypeError) as error:
        raise Malformed(f"JSON inside the protobuf message cannot be read: {error}") from None


def texts(value: Any) -> list[str]:
    """A message around a list of strings, as the values of `UserInfo.extra`."""
    return [text(content) for _, _, content in fields(value)] if isinstance(value, bytes) else []


LEAVES: dict[str, Callable[[Any], Any]] = {
    "string": text,
    "byte": encoded,
    "integer": integer,
    "boolean": lambda value: bool(integer(value)),
    "number": number,
    "Quantity": quantity,
    "IntOrString": int_or_string,
    "Time": time,
    "MicroTime": micro_time,
    "FieldsV1": raw_json,
    "RawExtension": raw_json,
    "JSON": raw_json,
    "array": texts,
}
