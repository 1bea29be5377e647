"""CustomResourceDefinitions in protobuf: JSON names Go cannot spell, JSON as bytes, and places of two forms."""

from __future__ import annotations

from typing import Any

import pytest

from sampan.api.registry import builtin
from sampan.apiserver import decode
from sampan.codec import protobuf
from sampan.codec.errors import CodecError

from .messages import block, body, double, entry, whole

CRD = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")

# The fields of JSONSchemaProps that Go holds by value, all empty: they are sent with every schema.
EMPTY = b"".join(block(number, "") for number in (1, 2, 4, 5, 6, 7, 15))
EMPTY += b"".join(whole(number, 0) for number in (10, 12, 18, 37, 39, 40))


def definition(schema: bytes) -> bytes:
    """A definition with one version, whose openAPIV3Schema is `schema`."""
    version = block(1, "v1") + whole(2, 1) + whole(3, 1) + block(4, block(1, schema)) + whole(7, 0)
    names = block(3, block(1, "widgets"), block(2, ""), block(4, "Widget"), block(5, ""))
    spec = block(1, "example.com") + names + block(4, "Namespaced") + block(7, version) + whole(10, 0)
    return body(*CRD, block(1, block(1, "widgets.example.com")) + block(2, spec))


def schema_of(schema: bytes) -> Any:
    (version,) = protobuf.decode(definition(schema))["spec"]["versions"]
    return version["schema"]["openAPIV3Schema"]


def test_a_definition() -> None:
    value = protobuf.decode(definition(block(5, "object")))
    assert value == {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "names": {"plural": "widgets", "kind": "Widget"},
            "scope": "Namespaced",
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
            ],
        },
    }


def test_names_that_go_cannot_spell() -> None:
    rule = block(44, block(1, "self.a > 1"), block(4, "FieldValueInvalid"), whole(6, 1))
    schema = block(2, "http://x") + block(3, "#/d") + whole(38, 1) + whole(40, 1) + block(41, "k") + block(42, "map")
    assert schema_of(schema + rule) == {
        "$schema": "http://x",
        "$ref": "#/d",
        "x-kubernetes-preserve-unknown-fields": True,
        "x-kubernetes-int-or-string": True,
        "x-kubernetes-list-map-keys": ["k"],
        "x-kubernetes-list-type": "map",
        "x-kubernetes-validations": [
            {"rule": "self.a > 1", "reason": "FieldValueInvalid", "optionalOldSelf": True},
        ],
    }


def test_json_as_bytes_and_numbers() -> None:
    schema = block(8, block(1, '{"a":[1]}')) + block(20, block(1, '"x"')) + block(20, block(1, "null"))
    schema += double(9, 2.5) + whole(13, 63) + block(36)
    assert schema_of(schema) == {
        "default": {"a": [1]},
        "enum": ["x", None],
        "maximum": 2.5,
        "maxLength": 63,
        "example": None,
    }


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (whole(1, 1), True),
        (whole(1, 0), False),
        (b"", False),
        (whole(1, 1) + block(2, EMPTY, block(5, "string")), {"type": "string"}),
        (whole(1, 1) + block(2, EMPTY), {}),
    ],
)
def test_a_schema_or_a_boolean(sent: bytes, shown: Any) -> None:
    assert schema_of(block(30, sent)) == {"additionalProperties": shown}
    assert schema_of(block(33, sent)) == {"additionalItems": shown}


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (block(1, EMPTY + block(5, "string")), {"type": "string"}),
        (block(2, block(5, "string")) + block(2, block(5, "integer")), [{"type": "string"}, {"type": "integer"}]),
        (b"", None),
    ],
)
def test_a_schema_or_a_list_of_them(sent: bytes, shown: Any) -> None:
    assert schema_of(block(24, sent)) == {"items": shown}


def test_a_schema_or_names() -> None:
    sent = entry(32, "a", block(2, "b") + block(2, "c")) + entry(32, "d", block(1, EMPTY)) + entry(32, "e", b"")
    assert schema_of(sent) == {"dependencies": {"a": ["b", "c"], "d": {}, "e": None}}


def test_schemas_in_schemas() -> None:
    """`EMPTY` at every level: below `items`, where no Struct forgets it for us, too."""
    leaf = EMPTY + block(5, "string") + block(42, "")
    inner = EMPTY + block(5, "object") + entry(29, "name", leaf)
    schema = EMPTY + block(5, "object") + entry(29, "list", EMPTY + block(5, "array") + block(24, block(1, inner)))
    assert schema_of(schema + block(25, EMPTY) + block(28, EMPTY)) == {
        "type": "object",
        "properties": {
            "list": {
                "type": "array",
                # A pointer to "" is kept, as upstream does.
                "items": {
                    "type": "object",
                    "properties": {"name": {"type": "string", "x-kubernetes-list-type": ""}},
                },
            }
        },
        "allOf": [{}],
        "not": {},
    }


def test_a_definition_becomes_an_object() -> None:
    kind = builtin().kind(*CRD)
    sent = definition(EMPTY + block(5, "object") + entry(29, "a", EMPTY + block(30, whole(1, 1) + block(2, EMPTY))))
    obj, unknown = decode.typed(kind, decode.from_protobuf(sent))
    assert unknown == []
    assert obj.spec.names.listKind == "WidgetList"
    assert obj.spec.versions[0].schema.openAPIV3Schema.properties["a"].additionalProperties is not None


def test_deep_schemas_and_unknown_fields_are_refused() -> None:
    schema = b""
    for _ in range(100):
        schema = block(24, block(1, schema))
    with pytest.raises(CodecError, match="nested deeper"):
        schema_of(schema)
    with pytest.raises(CodecError, match="field number 45"):
        schema_of(block(30, block(2, whole(45, 1))))
    with pytest.raises(CodecError, match="field number 3"):
        schema_of(block(30, block(3, "")))


def test_schemas_as_deep_as_those_in_use_are_read() -> None:
    schema = block(5, "string")
    for _ in range(50):
        schema = block(24, block(1, schema))
    value = schema_of(schema)
    for _ in range(50):
        value = value["items"]
    assert value == {"type": "string"}
