"""Mounting by a program: what it says when it fails, and that a hanging one holds up nobody."""

from __future__ import annotations

import asyncio
import os
import select
import threading
from pathlib import Path

import pytest

from sampan.aio.clock import SystemClock
from sampan.testing.clock import VirtualClock
from sampan.volumes.errors import VolumeError
from sampan.volumes.mounter import UNMOUNT_SECONDS, KernelMounter


def program(folder: Path, script: str) -> str:
    path = folder / "mount"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


async def given_up(mounting: asyncio.Task[None], process: int) -> None:
    """Cancels the mount; the process with that descriptor has to end."""
    mounting.cancel()
    await asyncio.gather(mounting, return_exceptions=True)
    assert (await asyncio.to_thread(select.select, [process], [], [], 30))[0]
    os.close(process)


async def test_what_it_says_is_told_as_upstream_does(tmp_path: Path) -> None:
    mounter = KernelMounter(SystemClock(), program=program(tmp_path, "echo no such device; exit 32"))
    with pytest.raises(VolumeError) as failure:
        await mounter.mount("nfs", "s:/p", Path("/t"), ["ro", "hard"])
    assert str(failure.value) == (
        "mount failed: exit status 32\nMounting command: mount\n"
        "Mounting arguments: -t nfs -o ro,hard s:/p /t\nOutput: no such device"
    )


async def test_a_hanging_one_is_ended(tmp_path: Path) -> None:
    mounter = KernelMounter(SystemClock(), program=program(tmp_path, "exec sleep 1000"), patience=0.1)
    with pytest.raises(VolumeError, match="mount failed: timed out"):
        await mounter.mount("nfs", "s:/p", Path("/t"), [])


async def test_one_that_is_not_wanted_any_more_is_ended(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    mounter = KernelMounter(SystemClock(), program=program(tmp_path, f"echo $$ > {pipe}; exec sleep 1000"))
    task = asyncio.create_task(mounter.mount("nfs", "s:/p", Path("/t"), []))
    ends = os.pidfd_open(int(await asyncio.to_thread(pipe.read_text)))
    await given_up(task, ends)


async def test_what_it_started_ends_with_it(tmp_path: Path) -> None:
    """mount(8) leaves the work to a program for each kind of file system."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    mounter = KernelMounter(SystemClock(), program=program(tmp_path, f"sleep 1000 & echo $! > {pipe}; wait"))
    task = asyncio.create_task(mounter.mount("nfs", "s:/p", Path("/t"), []))
    ends = os.pidfd_open(int(await asyncio.to_thread(pipe.read_text)))
    await given_up(task, ends)


async def test_one_given_up_while_it_is_being_started(tmp_path: Path) -> None:
    """The program runs before asyncio hands it over; the loop stands still in between, so that this is sure."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    mounter = KernelMounter(SystemClock(), program=program(tmp_path, f"sleep 1000 & echo $! > {pipe}; wait"))
    task = asyncio.create_task(mounter.mount("nfs", "s:/p", Path("/t"), []))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    ends = os.pidfd_open(int(pipe.read_text()))
    await given_up(task, ends)


async def test_no_such_program(tmp_path: Path) -> None:
    mounter = KernelMounter(SystemClock(), program=str(tmp_path / "none"))
    with pytest.raises(VolumeError, match="was not found"):
        await mounter.mount("nfs", "s:/p", Path("/t"), [])


async def test_a_file_system_that_does_not_answer(tmp_path: Path) -> None:
    answers = threading.Event()
    mounter = KernelMounter(SystemClock(), patience=0.05)
    with pytest.raises(VolumeError, match="does not answer"):
        await mounter.aside(answers.wait)
    answers.set()
    assert await mounter.aside(answers.is_set)


async def test_a_file_server_that_holds_up_unmounting_holds_up_nobody(tmp_path: Path) -> None:
    """The kernel takes the mount off its table and then waits for the server: what the table says counts."""
    answers, clock = threading.Event(), VirtualClock()

    def unmount(_: Path) -> list[str]:
        answers.wait()
        return []

    taking = asyncio.create_task(KernelMounter(clock, unmount=unmount).take_down(tmp_path))
    await clock.advance(UNMOUNT_SECONDS + 1)
    assert await taking == []
    taking = asyncio.create_task(KernelMounter(clock, unmount=unmount).take_down(Path("/proc")))
    await clock.advance(UNMOUNT_SECONDS + 1)
    assert "/proc: the file system does not answer" in await taking
    answers.set()


def test_a_kernel_that_shares_no_mounts_keeps_no_kubelet_from_its_work(tmp_path: Path) -> None:
    KernelMounter(SystemClock()).share(tmp_path / "none")
