"""Stores by the names that the command line knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from sampan.store.opening import open_store
from sampan.testing.clock import VirtualClock


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("memory", "MemoryStore"),
        ("sqlite", "SqliteStore"),
        ("sqlite=/nowhere/else.db", "SqliteStore"),
        ("etcd=http://127.0.0.1:1,http://127.0.0.1:2", "EtcdStore"),
    ],
)
def test_each_store_has_a_name(name: str, kind: str, tmp_path: Path) -> None:
    name = name.replace("/nowhere", str(tmp_path))
    assert type(open_store(name, VirtualClock(), path=tmp_path / "store.db")).__name__ == kind


@pytest.mark.parametrize("name", ["", "postgres", "etcd", "etcd=", "memory=x"])
def test_others_are_refused_with_what_can_be_said(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="say sqlite"):
        open_store(name, VirtualClock(), path=tmp_path / "store.db")
