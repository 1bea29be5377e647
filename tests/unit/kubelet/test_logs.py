"""Container logs: format, tails, bounds, following, rotation."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from sampan.aio.clock import parse_timestamp
from sampan.kubelet.logformat import last_lines, offset_of_last
from sampan.kubelet.logs import LogOptions, read
from sampan.kubelet.termination import file_message, log_message
from sampan.testing.clock import VirtualClock, settle


def line(second: int, text: str, stream: str = "stdout", tag: str = "F") -> str:
    return f"2026-01-01T00:00:{second:02d}.123456789Z {stream} {tag} {text}\n"


async def collected(path: Path, **options: Any) -> str:
    pieces = [piece async for piece in read(path, LogOptions(**options), clock=VirtualClock(), ended=lambda: True)]
    return b"".join(pieces).decode()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "0.log"
    path.write_text(
        line(1, "one")
        + line(2, "half ", tag="P")
        + line(2, "whole")
        + line(3, "bad", "stderr")
        + line(4, "a\rb")
        + "x\n"
    )
    return path


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "one\nhalf whole\nbad\na\rb\n"),
        ({"tail": 0}, ""),
        ({"tail": 3}, "bad\na\rb\n"),
        ({"tail": 99}, "one\nhalf whole\nbad\na\rb\n"),
        ({"limit": 5}, "one\nh"),
        ({"since": parse_timestamp("2026-01-01T00:00:03Z")}, "bad\na\rb\n"),
        ({"stream": "Stderr"}, "bad\n"),
        ({"stream": "Stdout", "tail": 3}, "a\rb\n"),
        ({"timestamps": True, "tail": 2}, "2026-01-01T00:00:04.123456789Z a\rb\n"),
    ],
)
async def test_what_is_asked_for(log: Path, options: dict[str, Any], text: str) -> None:
    assert await collected(log, **options) == text


def test_the_end_of_a_large_file(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("".join(line(1, f"{number} " + "x" * 100) for number in range(5000)))
    assert [entry.split(b" ")[0] for entry in last_lines(path, 3)] == [b"4997", b"4998", b"4999"]
    with path.open("rb") as file:
        assert offset_of_last(file, 5000) == 0
        assert offset_of_last(file, 6000) == 0


async def test_following_ends_with_the_container_and_loses_nothing(tmp_path: Path) -> None:
    clock, path, over, got = VirtualClock(), tmp_path / "log", [], []
    path.write_text(line(1, "one"))

    async def follow() -> None:
        async for piece in read(path, LogOptions(follow=True), clock=clock, ended=lambda: bool(over)):
            got.append(piece.decode())

    task = asyncio.create_task(follow())
    await clock.advance(1)
    append(path, line(2, "two")[:20])
    await clock.advance(1)
    append(path, line(2, "two")[20:])
    await clock.advance(1)
    assert "".join(got) == "one\ntwo\n"
    rotate(path)
    await clock.advance(1)
    append(path, line(4, "four"))
    await clock.advance(1)
    append(path, line(5, "last"))
    over.append(True)
    await clock.advance(1)
    await settle()
    assert task.done()
    assert "".join(got) == "one\ntwo\nthree\nfour\nlast\n"


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def rotate(path: Path) -> None:
    """Writes one more line and rotates: the line must not be lost."""
    append(path, line(3, "three"))
    path.rename(path.with_name("log.1"))
    path.touch()


@pytest.mark.parametrize("trap", ["link", "pipe"])
async def test_a_log_that_is_something_else(tmp_path: Path, trap: str) -> None:
    """What a pod with the logs' folder in its hands may put in a log's place is not read, and waited for by nobody."""
    path = tmp_path / "log"
    path.symlink_to("/etc/passwd") if trap == "link" else os.mkfifo(path)
    with pytest.raises(OSError):
        await collected(path)
    assert log_message(path) == file_message(path) == ""


async def test_a_long_log_lets_others_have_their_turn(tmp_path: Path) -> None:
    path, turns = tmp_path / "log", 0
    path.write_text(line(1, "x" * 1000) * 1000)

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    task = asyncio.create_task(count())
    assert await collected(path, since=parse_timestamp("2027-01-01T00:00:00Z")) == ""
    task.cancel()
    assert turns > 10


async def test_a_log_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        await collected(tmp_path / "none")
