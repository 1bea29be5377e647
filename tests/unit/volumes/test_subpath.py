"""Paths inside volumes never lead out of them."""

from __future__ import annotations

import ctypes
import itertools
import os
import threading
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


def test_a_folder_that_becomes_a_link_and_back_all_the_time(tmp_path: Path, volume: Path) -> None:
    """Every descriptor that comes out is of a file in the volume, and nothing is made outside."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    (volume / "spare").symlink_to(outside)
    done = threading.Event()
    racer = threading.Thread(target=swap, args=(volume / "inner", volume / "spare", done))
    racer.start()
    root = os.open(volume, os.O_PATH)
    inside = 0
    try:
        for number in itertools.count():
            if number >= 3000 and inside:
                break
            assert number < 1_000_000
            path = ("inner/file", f"inner/new{number}/deep")[number % 2]
            try:
                opened = subpath.open_or_make(root, path)
            except OSError:
                continue
            inside += Path(f"/proc/self/fd/{opened}").readlink().is_relative_to(volume)
            os.close(opened)
    finally:
        done.set()
        racer.join()
        os.close(root)
    assert inside
    assert [path.name for path in outside.iterdir()] == ["file"]


def swap(one: Path, other: Path, done: threading.Event) -> None:
    """Exchanges the two names in one step, again and again: renameat2(2) with RENAME_EXCHANGE."""
    libc = ctypes.CDLL(None)
    while not done.is_set():
        libc.renameat2(-100, os.fsencode(one), -100, os.fsencode(other), 2)


def test_what_a_former_container_was_shown_is_replaced_when_it_is_another_file(tmp_path: Path, volume: Path) -> None:
    mounter, target = NotedMounter(), tmp_path / "target"
    subpath.bind(volume, "inner", target, mounter)
    mounter.points.add(target)
    subpath.bind(volume, "inner/file", target, mounter)
    assert mounter.bound == [volume / "inner", volume / "inner" / "file"]
    assert target.is_file()
    mounter.stuck = "target: busy"
    with pytest.raises(VolumeError, match="busy"):
        subpath.bind(volume, "inner", target, mounter)
