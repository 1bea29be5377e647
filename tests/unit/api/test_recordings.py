"""Holds the write path against what upstream answered; see `recordings`.

KNOWN names what differs on purpose, and why.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

KNOWN: dict[str, str] = {}


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("recordings", Path(__file__).with_name("recordings.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["recordings"] = module
    spec.loader.exec_module(module)
    return module


recordings = load()


@pytest.mark.skipif(not recordings.available(), reason="the recordings of upstream are not on this machine")
@pytest.mark.parametrize("group", ["create", "generate", "invalid", "service", "update", "warn"])
def test_agrees_with_upstream(group: str) -> None:
    differing = {where.strip(): wrong for where, wrong in recordings.differences(group) if wrong}
    unexpected = {where: wrong for where, wrong in differing.items() if where not in KNOWN}
    assert not unexpected
    assert {where for where in KNOWN if where.startswith(f"{group}/")} <= set(differing), (
        "now agrees: take it off KNOWN"
    )
