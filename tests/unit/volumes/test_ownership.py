"""fsGroup: what is changed, and what is never touched."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from sampan.volumes.ownership import give_to_group

# Root may give a file to any group; others only to their own.
GROUP = 12345 if os.geteuid() == 0 else os.getegid()


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    folder = tmp_path / "volume"
    (folder / "inner").mkdir(parents=True, mode=0o700)
    (folder / "inner" / "file").touch(0o600)
    (folder / "out").symlink_to(tmp_path / "outside")
    (tmp_path / "outside").touch(0o600)
    os.mkfifo(folder / "pipe", 0o600)
    return folder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_everything_inside_and_nothing_outside(volume: Path, tmp_path: Path) -> None:
    before = (tmp_path / "outside").stat()
    give_to_group(volume, GROUP)
    inside = [volume, volume / "inner", volume / "inner/file", volume / "pipe"]
    assert {path.stat().st_gid for path in inside} == {GROUP}
    assert [mode(path) & 0o2070 for path in inside] == [0o2070, 0o2070, 0o060, 0o060]
    after = (tmp_path / "outside").stat()
    assert (after.st_gid, after.st_mode) == (before.st_gid, before.st_mode)
    assert (volume / "out").lstat().st_gid == GROUP


def test_on_root_mismatch_looks_at_the_root_alone(volume: Path) -> None:
    give_to_group(volume, GROUP)
    (volume / "inner/file").chmod(0o600)
    give_to_group(volume, GROUP, "OnRootMismatch")
    assert mode(volume / "inner/file") == 0o600
    give_to_group(volume, GROUP, "Always")
    assert mode(volume / "inner/file") == 0o660


def test_nobody_waits_for_it_any_more(volume: Path) -> None:
    answers = iter([False, True, True, True])
    give_to_group(volume, GROUP, "OnRootMismatch", lambda: next(answers))
    assert not mode(volume) & stat.S_ISGID, "the root is right only when all is"
