"""Stories of several owners writing one object, from the scenario files `apply-*.txt`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from sampan.api import decoding, defaults, registry
from sampan.api.registry import Kind
from sampan.codec import apply
from sampan.codec.errors import PatchError

from .. import scenarios
from ..test_strategic import uncovered

BUILTIN = registry.builtin()


def write(kind: Kind, live: Any, step: dict[str, Any], now: float) -> Any:
    """What one step makes of the object."""
    options = {"manager": step["manager"], "subresource": step.get("subresource", ""), "now": now}
    if step["does"] == "apply":
        head = {"apiVersion": kind.api_version, "kind": kind.kind}
        return apply.apply(kind, live, head | step["object"], force=step.get("force", False), **options)
    obj, unknown = decoding.convert(kind.struct, step["object"])
    assert unknown == []
    defaults.apply(kind, obj)
    apply.record(kind, live, obj, **options)
    return obj


def stored(kind: Kind, obj: Any) -> Any:
    """As it would be read back."""
    return kind.decode(kind.encode(obj))


def owners(obj: Any) -> dict[str, Any]:
    entries = obj.metadata.managedFields or []
    return {f"{e.manager} {e.operation}" + (f" {e.subresource}" if e.subresource else ""): e.fieldsV1 for e in entries}


@pytest.mark.parametrize("path", scenarios.files("apply"), ids=lambda p: p.stem)
def test_story(path: Path) -> None:
    kind, live, now = BUILTIN.kind("v1", "ConfigMap"), None, 1_000_000_000.0
    error: PatchError | None = None
    for name, body in scenarios.sections(path):
        match name:
            case "kind":
                kind = BUILTIN.kind(*body.split())
            case "do":
                assert error is None, error
                now += 60
                try:
                    live = stored(kind, write(kind, live, body, now))
                except PatchError as raised:
                    error = raised
            case "object":
                assert error is None, error
                value = msgspec.to_builtins(live)
                assert uncovered(body, value) == [], value
            case "owners":
                assert error is None, error
                assert owners(live) == body
            case "error":
                assert error is not None
                assert {"code": error.code, "message": error.message} == body
                error = None
    assert error is None, error
