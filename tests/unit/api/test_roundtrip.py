"""One object per kind with every field filled survives decode and encode: nothing is lost, nothing is added.

The objects are upstream's, in `shared/reference/roundtrip` beside the project; without them the test is skipped.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sampan.api import decoding, registry
from sampan.api.registry import Kind

FOLDER = Path(__file__).parents[3].parent / "shared" / "reference" / "roundtrip"
KINDS = {(kind.api_version, kind.kind): kind for kind in registry.builtin().kinds()}
FILES = sorted(FOLDER.glob("*.json"))


def served(path: Path) -> tuple[Kind | None, dict[str, Any]]:
    value: dict[str, Any] = json.loads(path.read_bytes())
    return KINDS.get((value.get("apiVersion", ""), value.get("kind", ""))), value


@pytest.mark.skipif(not FILES, reason=f"the objects are not there: {FOLDER}")
def test_most_kinds_have_an_object() -> None:
    have = {kind for path in FILES if (kind := served(path)[0])}
    assert len(have) >= 80


@pytest.mark.parametrize("path", FILES or [None], ids=lambda path: path.stem if path else "none")
def test_no_field_is_lost(path: Path | None) -> None:
    if path is None:
        pytest.skip(f"the objects are not there: {FOLDER}")
    kind, value = served(path)
    if kind is None:
        pytest.skip("not served by v1.36")
    obj, unknown = decoding.decode(kind, json.dumps(value).encode())
    assert unknown == []
    for template in value["spec"].get("volumeClaimTemplates", ()) if "spec" in value else ():
        # Upstream shows these, too, although its object does not name them.
        template |= {"apiVersion": "v1", "kind": "PersistentVolumeClaim"}
    assert json.loads(kind.encode(obj)) == value
