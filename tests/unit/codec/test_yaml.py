"""YAML as upstream's library reads it, and what it refuses."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.codec import yaml
from sampan.codec.errors import CodecError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1:30", "1:30"),
        ("1e3", 1000),
        ("1.5", 1.5),
        ("2.0", 2),
        ("0777", 511),
        ("0o17", 15),
        ("0x1F", 31),
        ("0b11", 3),
        ("08", 8),
        ("1_000", 1000),
        ("-7", -7),
        ("yes", True),
        ("off", False),
        ("y", True),
        ("~", None),
        ("", None),
        ("2001-01-01", "2001-01-01"),
        ("'yes'", "yes"),
        ('"1"', "1"),
        ("!!str 1", "1"),
        ("18446744073709551615", 2**64 - 1),
        ("{a: 1, 2: b, true: c}", {"a": 1, "2": "b", "true": "c"}),
        ("base: &b {x: 1, y: 2}\nd: {<<: *b, x: 3}", {"base": {"x": 1, "true": 2}, "d": {"x": 3, "true": 2}}),
        ("- a\n- - b\n", ["a", ["b"]]),
        ("a: |\n  x\n  y\n", {"a": "x\ny\n"}),
        ("a: 1\n---\nb: 2\n", {"a": 1}),
        ('{"kind": "Pod", "n": [1, null]}', {"kind": "Pod", "n": [1, None]}),
    ],
)
def test_scalars_and_collections(text: str, value: object) -> None:
    assert yaml.decode(text) == value


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(12)
)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("{not yaml", "yaml: line 1: did not find expected ',' or '}'"),
        (BOMB, "yaml: document contains excessive aliasing"),
        ("[" * 1000, "yaml: exceeded max depth of 200"),
        ("a: &a [*a]", "yaml: unknown anchor 'a' referenced"),
        ("a: *b", "yaml: unknown anchor 'b' referenced"),
        (b"\xff\xfe\xff", "yaml: invalid UTF-8"),
        ("{[a]: 1}", "error converting YAML to JSON: unsupported map key [a]"),
        ("a: 1e999", "yaml: number out of range"),
        ("a: 0x" + "f" * 1000, "yaml: number out of range"),
    ],
)
def test_refusals(data: str | bytes, message: str) -> None:
    with pytest.raises(CodecError) as error:
        yaml.decode(data)
    assert error.value.message == message


def test_duplicate_keys() -> None:
    assert yaml.decode("a: 1\na: 2\n") == {"a": 2}
    with pytest.raises(CodecError, match='line 2: key "a" already set in map'):
        yaml.decode("a: 1\na: 2\n", strict=True)


def test_writing() -> None:
    value = {"b": ["x", {"c": None}], "a": {"t": "yes", "n": "1e3", "i": 1, "s": "", "m": "x\ny\n"}}
    assert yaml.encode(value) == (
        'a:\n  i: 1\n  m: |\n    x\n    y\n  "n": "1e3"\n  s: ""\n  t: "yes"\nb:\n- x\n- c: null\n'
    )


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abyn1<~", max_size=3), inner, max_size=3),
    max_leaves=10,
)


@given(values)
def test_what_is_written_reads_back(value: object) -> None:
    assert yaml.decode(yaml.encode(value)) == value


@given(st.binary(max_size=40) | st.text("{}[]&*!|>'\"%@`-:? a\n\t<,#", max_size=30))
def test_never_crashes(data: bytes | str) -> None:
    with contextlib.suppress(CodecError):
        yaml.decode(data)
