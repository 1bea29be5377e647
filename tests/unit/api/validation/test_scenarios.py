"""The files of tests/scenarios/validation: an object, and below `---` all that is wrong with it, in order.

Those in `gated` have fields that are dropped by default; they are judged as objects that have them already.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from sampan.api import decoding, defaults, registry, strategy, validation

FOLDER = Path(__file__).parents[3] / "scenarios" / "validation"


def judged(document: dict[str, Any], *, gated: bool = False) -> list[str]:
    """What is wrong with an object that someone creates; `gated`: nothing of it is dropped before."""
    kind = registry.builtin().kind(document["apiVersion"], document["kind"])
    obj, unknown = decoding.decode(kind, msgspec.json.encode(document))
    assert not unknown
    obj.metadata.uid, obj.metadata.creationTimestamp = "u-1", "2026-01-01T00:00:00Z"
    defaults.apply(kind, obj)
    if not gated:
        strategy.prepare_create(kind, obj)
    return [str(e) for e in validation.create(kind, obj)]


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.yaml")), ids=lambda p: p.stem)
def test_scenario(path: Path) -> None:
    document, expected = yaml.safe_load_all(path.read_text())
    assert judged(document, gated=path.parent.name == "gated") == expected
