"""Rotation of logs: which are looked at, what is renamed, compressed, deleted; what a failure leaves."""

from __future__ import annotations

import asyncio
import errno
import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from sampan.aio.inotify import FileWrites
from sampan.kubelet import rotation
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.rotation import compress, excess, pause, rotated_logs
from sampan.testing.clock import VirtualClock

from .harness import Node, node

MOST = 1000
SETTINGS = {"log_max_bytes": MOST, "log_max_files": 4}


def log_of(n: Node, restarts: int = 0) -> Path:
    return n.config.log_root / "default_p_uid-p" / "c" / f"{restarts}.log"


def names(path: Path) -> list[str]:
    """Of the log and its former ones, the times left out."""
    return sorted(
        ".".join(part for part in entry.name.split(".") if "-" not in part) for entry in path.parent.iterdir()
    )


async def test_former_logs_are_compressed_and_the_oldest_go(tmp_path: Path) -> None:
    async with node(tmp_path, **SETTINGS) as n:
        n.pod()
        await n.advance(1)
        path = log_of(n)
        for number in range(6):
            path.write_text(f"{number}" * (MOST + 1))
            await n.advance(10)
        assert len(n.runtime.called("reopen_log")) == 6
        assert names(path) == ["0.log", "0.log", "0.log.gz", "0.log.gz"]
        assert path.read_text() == ""
        oldest, _, newest = rotated_logs(path)
        assert gzip.decompress(oldest.read_bytes()) == b"3" * (MOST + 1)
        assert newest.read_text() == "5" * (MOST + 1)
        n.runtime.exit("c", 1)
        await n.advance(1)
        n.runtime.exit("c", 1)
        await n.advance(60)
        assert names(log_of(n)) == ["1.log", "2.log"], "an instance's former logs go with it"


async def test_a_flood_is_looked_at_more_often_and_not_compressed(tmp_path: Path) -> None:
    async with node(tmp_path, **SETTINGS) as n:
        n.pod()
        await n.advance(1)
        path = log_of(n)
        path.write_text("x" * MOST * 50)
        await n.advance(9)
        looks = len(n.runtime.called("reopen_log"))
        for _ in range(5):
            path.write_text("x" * MOST * 5)
            await n.advance(1)
        assert len(n.runtime.called("reopen_log")) - looks == 5
        assert names(path) == ["0.log"] * 4
        path.write_text("x" * (MOST + 1))
        await n.advance(12)
        path.write_text("x" * (MOST + 1))
        await n.advance(12)
        assert names(path) == ["0.log", "0.log", "0.log.gz", "0.log.gz"]


@pytest.mark.parametrize(
    ("last", "grown", "seconds"),
    [(10, 0, 10), (10, 2000, 10), (10, 4000, 2.5), (10, 10**9, 1), (1, 100, 10), (1, 1000, 1), (2.5, 1000, 2.5)],
)
def test_how_soon_to_look_again(last: float, grown: int, seconds: float) -> None:
    config = KubeletConfig(node_name="n", node_ips=(), root=Path("/r"), log_max_bytes=MOST)
    assert pause(last, grown, config) == seconds


async def test_two_rotations_in_a_second_have_names_in_their_order(tmp_path: Path) -> None:
    async with node(tmp_path, **SETTINGS, log_check=0.3) as n:
        n.pod()
        await n.advance(1)
        path = log_of(n)
        for number in range(3):
            path.write_text(f"{number}" * (MOST + 1))
            await n.advance(0.3)
        *former, newest = rotated_logs(path)
        assert [gzip.decompress(each.read_bytes())[:1] for each in former] == [b"0", b"1"]
        assert newest.read_text()[:1] == "2"


async def test_a_runtime_that_does_not_reopen_keeps_its_log(tmp_path: Path) -> None:
    async with node(tmp_path, **SETTINGS) as n:
        n.pod()
        await n.advance(1)
        n.runtime.fail("reopen_log", "no such method")
        log_of(n).write_text("x" * (MOST + 1))
        await n.advance(10)
        assert names(log_of(n)) == ["0.log"]
        await n.advance(10)
        assert len(rotated_logs(log_of(n))) == 1


async def test_a_kubelet_killed_while_rotating_is_made_up_for(tmp_path: Path) -> None:
    async with node(tmp_path, **SETTINGS) as n:
        n.pod()
        await n.advance(1)
        log_of(n).rename(log_of(n).with_name("0.log.20260101-000000"))
        await n.stop()
        await n.start()
        await n.advance(11)
        assert log_of(n).exists()


async def test_a_full_disk_does_not_keep_a_log_from_being_rotated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(rotation.gzip, "open", full)
    async with node(tmp_path, **SETTINGS) as n:
        n.pod()
        await n.advance(1)
        for _ in range(6):
            log_of(n).write_text("x" * (MOST + 1))
            await n.advance(10)
        assert names(log_of(n)) == ["0.log"] * 4


async def test_quiet_logs_are_left_alone_until_they_are_written(tmp_path: Path) -> None:
    """As many logs as there are: what is not written costs no look."""
    clock, writes = VirtualClock(), Writes()
    async with node(tmp_path, **SETTINGS) as n:
        for number in range(10):
            n.pod(f"p{number}")
        await n.advance(1)
        logs = rotation.LogRotation(n.runtime, n.kubelet.pods, n.config, clock, lambda: writes)
        for _ in range(10):
            await logs.rotate(writes)
        assert logs.looks == 20, "each was looked at twice"
        (n.config.log_root / "default_p3_uid-p3" / "c" / "0.log").write_text("x" * (MOST + 1))
        writes.say("default_p3_uid-p3")
        assert await logs.rotate(writes) == 1
        assert logs.looks == 21


class Writes:
    """The kernel's part, by hand."""

    def __init__(self) -> None:
        self._watched: dict[Path, Callable[[], None]] = {}

    def next(self, path: Path, told: Callable[[], None]) -> bool:
        self._watched[path] = told
        return True

    def say(self, folder: str) -> None:
        path = next(path for path in self._watched if path.parent.parent.name == folder)
        self._watched.pop(path)()


async def test_the_kernel_tells_of_the_next_write(tmp_path: Path) -> None:
    path, writes, told = tmp_path / "log", FileWrites(), asyncio.Event()
    path.touch()
    try:
        assert writes.next(path, told.set)
        with path.open("a") as file:
            file.write("x")
        await asyncio.wait_for(told.wait(), 20)
        assert not writes.next(tmp_path / "none", told.set)
    finally:
        writes.close()


async def test_what_was_being_compressed_when_a_kubelet_died_goes(tmp_path: Path) -> None:
    for name in ("0.log", "0.log.1", "0.log.2.tmp", "0.log.2", "0.log.3.gz"):
        (tmp_path / name).write_text("x")
    former = rotated_logs(tmp_path / "0.log")
    assert [path.name for path in excess(former, 5)] == ["0.log.2.tmp"]
    assert [path.name for path in excess(former, 4)] == ["0.log.1", "0.log.2.tmp"]
    await compress(tmp_path / "0.log.1", VirtualClock())
    assert gzip.decompress((tmp_path / "0.log.1.gz").read_bytes()) == b"x"
