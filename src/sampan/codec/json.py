"""Bytes to JSON values and back, bounded, with typed errors.

msgspec does the work. What it reports as four exceptions (malformed, not UTF-8, too deep, number out of range) is one
`CodecError` here, so that no caller can forget one.
"""

from __future__ import annotations

import json as stdlib
from typing import Any

import msgspec

from sampan.codec.errors import CodecError

JsonValue = Any

_decoder = msgspec.json.Decoder()
_encoder = msgspec.json.Encoder()
_sorted_encoder = msgspec.json.Encoder(order="deterministic")


def decode(data: bytes | str) -> JsonValue:
    """The value that `data` spells; CodecError when it spells none."""
    try:
        return _decoder.decode(data)
    except RecursionError:
        raise CodecError("exceeded max depth") from None
    except UnicodeDecodeError as error:
        raise CodecError(f"invalid UTF-8: {error.reason}") from None
    except msgspec.MsgspecError as error:
        raise CodecError(str(error)) from None


def encode(value: JsonValue, *, ordered: bool = False) -> bytes:
    """Compact JSON; with `ordered`, keys sorted."""
    return (_sorted_encoder if ordered else _encoder).encode(value)


def duplicates(data: bytes | str) -> list[str]:
    """Paths of the object keys that occur more than once ("spec.containers[0].name"), in the order met.

    Strict field validation names them; the decoder itself lets the last one win. CodecError as for `decode`.
    """
    return list(dict.fromkeys(repeated(pairs(data))))


def pairs(data: bytes | str) -> Any:
    """The value with its objects as `Pairs`, which keep every member. CodecError as for `decode`."""
    try:
        return stdlib.loads(data, object_pairs_hook=Pairs)
    except RecursionError:
        raise CodecError("exceeded max depth") from None
    except ValueError as error:
        raise CodecError(str(error)) from None


class Pairs(list):
    """An object as its key/value pairs, told apart from an array by its type."""


def repeated(node: Any, path: str = "") -> list[str]:
    """Paths of the keys that occur again in a value with `Pairs`, below `path`."""
    found: list[str] = []
    if isinstance(node, Pairs):
        seen: set[str] = set()
        for key, value in node:
            here = f"{path}.{key}" if path else key
            if key in seen:
                found.append(here)
            seen.add(key)
            found += repeated(value, here)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            found += repeated(value, f"{path}[{index}]")
    return found
