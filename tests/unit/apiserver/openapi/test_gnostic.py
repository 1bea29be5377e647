"""The protobuf form, read back field by field with a reader that knows only the wire format."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import pytest

from sampan.api import registry
from sampan.apiserver.openapi import gnostic, v2
from sampan.apiserver.openapi.streaming import whole

DOCUMENT = whole(v2.build(registry.builtin()))
ENCODED = gnostic.encode(v2.build(registry.builtin()))


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def read(data: bytes) -> dict[int, list[Any]]:
    """field number -> values: integers, or bytes for texts and messages."""
    found: dict[int, list[Any]] = defaultdict(list)
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        value: Any
        value, at = varint(data, at)
        if key & 7 == 2:
            value, at = data[at : at + value], at + value
        found[key >> 3].append(value)
    assert at == len(data)
    return found


def pairs(data: bytes, field: int = 1) -> dict[str, bytes]:
    entries = [read(entry) for entry in read(data)[field]]
    return {e[1][0].decode(): e[2][0] for e in entries}


def any_value(data: bytes) -> Any:
    return json.loads(read(data)[2][0])


def schema(data: bytes) -> dict[str, Any]:
    """A Schema as JSON."""
    fields = read(data)
    found: dict[str, Any] = {}
    for number, name in {1: "$ref", 2: "format", 4: "description"}.items():
        if number in fields:
            found[name] = fields[number][0].decode()
    if 19 in fields:
        found["required"] = [v.decode() for v in fields[19]]
    if 21 in fields:
        found["additionalProperties"] = schema(read(fields[21][0])[1][0])
    if 22 in fields:
        found["type"] = read(fields[22][0])[1][0].decode()
    if 23 in fields:
        found["items"] = schema(read(fields[23][0])[1][0])
    if 25 in fields:
        found["properties"] = {k: schema(v) for k, v in pairs(fields[25][0]).items()}
    for extension in map(read, fields.get(31, [])):
        found[extension[1][0].decode()] = any_value(extension[2][0])
    return found


def test_definitions_survive() -> None:
    found = {name: schema(data) for name, data in pairs(read(ENCODED)[9][0]).items()}
    assert found == DOCUMENT["definitions"]


@pytest.mark.parametrize("path", ["/api/v1/namespaces/{namespace}/pods/{name}", "/api/v1/pods", "/version/"])
def test_paths_survive(path: str) -> None:
    item = read(pairs(read(ENCODED)[8][0], field=2)[path])
    for number, method in {2: "get", 3: "put", 4: "post", 5: "delete", 8: "patch"}.items():
        want = DOCUMENT["paths"][path].get(method)
        assert (number in item) == (want is not None)
        if want is None:
            continue
        operation = read(item[number][0])
        assert operation[5][0].decode() == want["operationId"]
        assert [v.decode() for v in operation[6]] == want["produces"]
        assert set(pairs(operation[9][0])) == set(want["responses"])
        extensions = {e[1][0].decode(): any_value(e[2][0]) for e in map(read, operation[13])}
        assert extensions == {k: v for k, v in want.items() if k.startswith("x-")}
        assert len(operation[8]) == len(want.get("parameters", []))
    assert len(item[9]) == len(DOCUMENT["paths"][path].get("parameters", []))


def test_parameters_survive() -> None:
    found = pairs(read(ENCODED)[10][0])
    assert set(found) == set(DOCUMENT["parameters"])
    for name, data in found.items():
        want = DOCUMENT["parameters"][name]
        fields = read(read(data)[2][0])
        place, type_field = ("query", 6) if 3 in fields else ("path", 5)
        parameter = read(fields[3 if place == "query" else 4][0])
        assert (
            (parameter[2][0].decode(), parameter[4][0].decode()) == (want["in"], want["name"]) == (place, want["name"])
        )
        assert parameter[type_field][0].decode() == want["type"]
        assert bool(parameter.get(1)) == want.get("required", False)


def test_head() -> None:
    fields = read(ENCODED)
    assert fields[1] == [b"2.0"]
    info = read(fields[2][0])
    assert (info[1][0], info[2][0]) == (b"Kubernetes", b"unversioned")
    assert set(pairs(fields[13][0])) == {"BearerToken"}
