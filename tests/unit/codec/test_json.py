"""JSON values in and out, Go's way of printing them, and what is refused."""

from __future__ import annotations

import pytest

from sampan.codec import golang, json
from sampan.codec.errors import CodecError, PatchError, unprocessable


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[1,]", b"\xff", b'"\xff"', b"[" * 100_000, b"nul", b"1e999", b'{"a":1}x', b"NaN"]
)
def test_what_is_no_json(data: bytes) -> None:
    with pytest.raises(CodecError) as error:
        json.decode(data)
    assert (error.value.code, error.value.reason) == (400, "BadRequest")


def test_there_and_back() -> None:
    value = {"b": [1, 1.5, None, True, "é"], "a": {}}
    assert json.decode(json.encode(value)) == value
    assert json.encode(value, ordered=True) == '{"a":{},"b":[1,1.5,null,true,"é"]}'.encode()


@pytest.mark.parametrize(
    ("data", "paths"),
    [
        ('{"a":1}', []),
        ('{"a":1,"a":2,"a":3}', ["a"]),
        ('{"data":{"a":"1","a":"2"}}', ["data.a"]),
        ('{"spec":{"c":[{},{"name":1,"name":2}],"c":[]}}', ["spec.c[1].name", "spec.c"]),
        ("[1,2]", []),
    ],
)
def test_duplicates(data: str, paths: list[str]) -> None:
    assert json.duplicates(data) == paths


@pytest.mark.parametrize("data", [b"{", b"[" * 100_000, b"\xff"])
def test_duplicates_of_what_is_no_json(data: bytes) -> None:
    with pytest.raises(CodecError):
        json.duplicates(data)


def test_golang() -> None:
    assert golang.plain({"b": [1, None, True], "a": "x y", "c": 1.5}) == "map[a:x y b:[1 <nil> true] c:1.5]"
    assert golang.quoted('a"b') == '"a\\"b"'
    assert [golang.kind(v) for v in ({}, [], "", True, 1, 1.5, None)] == [
        "map[string]interface {}",
        "[]interface {}",
        "string",
        "bool",
        "int64",
        "float64",
        "nil",
    ]


def test_reasons() -> None:
    assert [PatchError("x", code).reason for code in (400, 409, 413, 422, 500)] == [
        "BadRequest",
        "Conflict",
        "RequestEntityTooLarge",
        "Invalid",
        "",
    ]
    error = unprocessable("why")
    assert (error.code, error.cause, error.details) == (422, "why", {})
