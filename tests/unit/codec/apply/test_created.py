"""The generated functions agree with the comparison they stand for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sampan.api import decoding, defaults, registry
from sampan.api.registry import Kind
from sampan.codec.apply import created
from sampan.codec.apply.compare import compare
from sampan.codec.apply.fieldset import difference, ordered
from sampan.codec.apply.stripped import STRIPPED
from sampan.codec.apply.versions import empty, shape, to_json, whole

BUILTIN = registry.builtin()
ROUNDTRIP = Path("/work/shared/reference/roundtrip")
KINDS = [k for k in BUILTIN.kinds() if "create" in k.verbs]


def check(kind: Kind, obj: Any) -> None:
    found = msgspec.json.decode(msgspec.json.encode(created.fields(obj)))
    assert found == difference(compare(empty(kind), to_json(obj), shape(kind)).changed, STRIPPED)
    assert json.dumps(found) == json.dumps(ordered(found))


@pytest.mark.parametrize("kind", KINDS, ids=repr)
def test_nothing_said_is_nothing_owned(kind: Kind) -> None:
    obj = kind.decode(b'{"metadata":{"name":"x"}}')
    whole(obj)
    assert created.fields(obj) == {}
    check(kind, obj)


@pytest.mark.parametrize("kind", KINDS, ids=repr)
def test_defaults_are_owned(kind: Kind) -> None:
    obj = kind.decode(b'{"metadata":{"name":"x","labels":{"b":"","a":""},"finalizers":["z/z","a/a"]}}')
    defaults.apply(kind, obj)
    check(kind, obj)


@pytest.mark.skipif(not ROUNDTRIP.exists(), reason="the reference data is not on this machine")
@pytest.mark.parametrize("kind", KINDS, ids=repr)
def test_every_field(kind: Kind) -> None:
    found = list(ROUNDTRIP.glob(f"{kind.group or 'core'}.{kind.version}.{kind.kind}.json"))
    if not found:
        pytest.skip("no such object in the reference data")
    obj, unknown = decoding.decode(kind, found[0].read_bytes().replace(b": null", b': "2026-01-01T00:00:00Z"'))
    assert unknown == []
    obj.metadata.managedFields = None
    whole(obj)
    check(kind, obj)
