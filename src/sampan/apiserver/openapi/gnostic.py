"""OpenAPI v2 in gnostic's protobuf form, which kubectl asks for.

The messages are those of gnostic's `openapiv2/OpenAPIv2.proto`. What a message is made of stands in tables: per
message, each JSON key's field number and how its value is written. Maps are lists of (name, value) pairs, values of
unknown shape are carried as YAML text, of which JSON is a part, and every key that begins with `x-` is a vendor
extension.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sampan.codec import json
from sampan.codec.protobuf.wire import written

# Asked for with `spec.v2@v1.0`, but answered with a dot: an `@` is no media type to a strict parser (RFC 9110, 8.3.1).
CONTENT_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
Writer = Callable[[Any], bytes]
Fields = dict[str, tuple[int, Callable[[int, Any], bytes]]]


def encode(document: dict[str, Any]) -> bytes:
    """The document, as `v2.build` gives it, in wire format."""
    return _message(DOCUMENT, 16)(document)


def _block(field: int, data: bytes) -> bytes:
    return written(field << 3 | 2) + written(len(data)) + data


def _text(field: int, value: str) -> bytes:
    return _block(field, value.encode())


def _flag(field: int, value: bool) -> bytes:
    return written(field << 3) + b"\x01" if value else b""


def _texts(field: int, values: Iterable[str]) -> bytes:
    return b"".join(_text(field, v) for v in values)


def _any(field: int, value: Any) -> bytes:
    return _block(field, _block(2, json.encode(value) + b"\n"))


def _inside(write: Writer) -> Callable[[int, Any], bytes]:
    """A field that holds one message."""
    return lambda field, value: _block(field, write(value))


def _each(write: Writer) -> Callable[[int, Any], bytes]:
    """A repeated field of messages."""
    return lambda field, values: b"".join(_block(field, write(v)) for v in values)


def _pairs(write: Writer, field: int = 1) -> Writer:
    """A map: repeated (name, value) pairs in that field."""
    return lambda values: b"".join(_block(field, _text(1, k) + _block(2, write(v))) for k, v in values.items())


def _message(fields: Fields, vendor: int = 0) -> Writer:
    """A message by its table; `vendor` is the field of its extensions."""

    def write(value: dict[str, Any]) -> bytes:
        out = []
        for key, item in value.items():
            if key in fields:
                number, put = fields[key]
                out.append(put(number, item))
            elif vendor and key.startswith("x-"):
                out.append(_block(vendor, _text(1, key) + _any(2, item)))
        return b"".join(out)

    return write


def _schema(value: dict[str, Any]) -> bytes:
    return _message(SCHEMA, 31)(value)


def _additional(value: Any) -> bytes:
    return _flag(2, value) if isinstance(value, bool) else _block(1, _schema(value))


def _types(value: str | list[str]) -> bytes:
    return _texts(1, [value] if isinstance(value, str) else value)


SCHEMA: Fields = {
    "$ref": (1, _text),
    "format": (2, _text),
    "title": (3, _text),
    "description": (4, _text),
    "default": (5, _any),
    "uniqueItems": (16, _flag),
    "required": (19, _texts),
    "enum": (20, lambda field, values: b"".join(_any(field, v) for v in values)),
    "additionalProperties": (21, _inside(_additional)),
    "type": (22, _inside(_types)),
    "items": (23, _inside(lambda value: _block(1, _schema(value)))),
    "allOf": (24, _each(_schema)),
    "properties": (25, _inside(_pairs(_schema))),
}
BODY_PARAMETER: Fields = {
    "description": (1, _text),
    "name": (2, _text),
    "in": (3, _text),
    "required": (4, _flag),
    "schema": (5, _inside(_schema)),
}
QUERY_PARAMETER: Fields = {
    "required": (1, _flag),
    "in": (2, _text),
    "description": (3, _text),
    "name": (4, _text),
    "type": (6, _text),
    "uniqueItems": (20, _flag),
}
PATH_PARAMETER: Fields = QUERY_PARAMETER | {"type": (5, _text), "uniqueItems": (19, _flag)}
REFERENCE: Fields = {"$ref": (1, _text)}


def _parameter(value: dict[str, Any]) -> bytes:
    """A Parameter: a body, or in a NonBodyParameter the form for its place."""
    if value["in"] == "body":
        return _block(1, _message(BODY_PARAMETER, 6)(value))
    number, fields = (3, QUERY_PARAMETER) if value["in"] == "query" else (4, PATH_PARAMETER)
    return _block(2, _block(number, _message(fields)(value)))


def _parameter_item(value: dict[str, Any]) -> bytes:
    return _block(2, _message(REFERENCE)(value)) if "$ref" in value else _block(1, _parameter(value))


def _response(value: dict[str, Any]) -> bytes:
    return _block(1, _message(RESPONSE, 5)(value))


def _security(value: dict[str, list[str]]) -> bytes:
    return _pairs(lambda scopes: _texts(1, scopes))(value)


RESPONSE: Fields = {
    "description": (1, _text),
    "schema": (2, _inside(lambda value: _block(1, _schema(value)))),
}
OPERATION: Fields = {
    "tags": (1, _texts),
    "description": (3, _text),
    "operationId": (5, _text),
    "produces": (6, _texts),
    "consumes": (7, _texts),
    "parameters": (8, _each(_parameter_item)),
    "responses": (9, _inside(_pairs(_response))),
    "schemes": (10, _texts),
}
_operation = _inside(_message(OPERATION, 13))
PATH_ITEM: Fields = {
    "get": (2, _operation),
    "put": (3, _operation),
    "post": (4, _operation),
    "delete": (5, _operation),
    "options": (6, _operation),
    "head": (7, _operation),
    "patch": (8, _operation),
    "parameters": (9, _each(_parameter_item)),
}
API_KEY: Fields = {"type": (1, _text), "name": (2, _text), "in": (3, _text), "description": (4, _text)}
DOCUMENT: Fields = {
    "swagger": (1, _text),
    "info": (2, _inside(_message({"title": (1, _text), "version": (2, _text)}))),
    "paths": (8, _inside(_pairs(_message(PATH_ITEM, 10), field=2))),
    "definitions": (9, _inside(_pairs(_schema))),
    "parameters": (10, _inside(_pairs(_parameter))),
    "security": (12, _each(_security)),
    "securityDefinitions": (13, _inside(_pairs(lambda value: _block(2, _message(API_KEY, 5)(value))))),
}
