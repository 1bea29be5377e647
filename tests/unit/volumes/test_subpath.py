"""Paths inside volumes never lead out of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from sampan.volumes import subpath
from sampan.volumes.errors import VolumeError

from .harness import FakeMounter


class NotedMounter(FakeMounter):
    """Resolves what would be bound while it is still open."""

    def __init__(self) -> None:
        super().__init__()
        self.bound: list[Path] = []

    def bind(self, source: Path, target: Path) -> None:
        self.bound.append(source.readlink())


def bound(tmp_path: Path, path: str) -> Path:
    mounter = NotedMounter()
    subpath.bind(tmp_path / "volume", path, tmp_path / "target", mounter)
    return mounter.bound[0]


@pytest.fixture(autouse=True)
def volume(tmp_path: Path) -> Path:
    folder = tmp_path / "volume"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "file").touch()
    (folder / "here").symlink_to("inner")
    (folder / "out").symlink_to("/etc")
    (folder / "up").symlink_to("../..")
    return folder


def test_folders_files_and_links_within(tmp_path: Path, volume: Path) -> None:
    assert bound(tmp_path, "inner") == volume / "inner"
    assert (tmp_path / "target").is_dir()


def test_a_file(tmp_path: Path, volume: Path) -> None:
    assert bound(tmp_path, "here/file") == volume / "inner" / "file"
    assert (tmp_path / "target").is_file()


def test_missing_folders_are_made(tmp_path: Path, volume: Path) -> None:
    assert bound(tmp_path, "here/new/deep") == volume / "inner" / "new" / "deep"


@pytest.mark.parametrize("path", ["out", "out/passwd", "up", "up/x", "inner/../../x", "out/new"])
def test_ways_out_are_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(VolumeError, match="leads out of its volume"):
        bound(tmp_path, path)
    assert not (tmp_path / "x").exists()
