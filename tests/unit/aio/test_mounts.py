"""Reading the kernel's mount table."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from sampan.aio.mounts import Entry, around, entries, points_below, unmount_apart

TABLE = (
    b"1 0 8:1 / / rw shared:1 - ext4 /dev/a rw\n"
    b"2 1 8:1 /d /d rw,relatime shared:7 master:2 - ext4 /dev/a rw\n"
    b"3 2 0:9 / /d/x rw - tmpfs tmpfs rw\n"
    b"4 3 0:8 / /d/x/with\\040space\\012\xc3\xa4 rw - nfs4 s:/p rw\n"
    b"5 1 0:7 / /dd rw - tmpfs tmpfs rw\n"
)


def test_entries() -> None:
    assert entries(TABLE)[1:4] == [
        Entry("/d", "ext4", True),
        Entry("/d/x", "tmpfs", False),
        Entry("/d/x/with space\nä", "nfs4", False),
    ]


def test_mounts_below_a_folder_come_latest_first() -> None:
    assert points_below(Path("/d"), TABLE) == ["/d/x/with space\nä", "/d/x", "/d"]


def test_the_mount_around_a_path() -> None:
    assert around("/d/x/y", TABLE).point == "/d/x"
    assert around("/dx", TABLE).point == "/"


def test_unmounting_what_hangs_is_left_to_a_child() -> None:
    left: list[subprocess.Popen[bytes]] = []
    unmount_apart("1000", program=["sleep"], patience=0.05, left=left)
    (child,) = left
    assert child.poll() is None
    os.killpg(child.pid, signal.SIGKILL)
    child.communicate()
    unmount_apart("/none", program=["true"], left=left)
    assert left == []


def test_why_it_cannot_be_unmounted() -> None:
    with pytest.raises(OSError, match="no such mount") as failure:
        unmount_apart("/none", program=["sh", "-c", "echo no such mount >&2; exit 32"])
    assert failure.value.filename == "/none"
