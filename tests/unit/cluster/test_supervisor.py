"""The supervisor against real processes: starting again, adopting, stopping, and the guardian's mutual watch."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sampan.cluster.supervision.processes import Record, Records, began, record

SUPERVISOR = """
import random, sys
from pathlib import Path
from sampan.aio.backoff import Backoff
from sampan.aio.clock import SystemClock
from sampan.cluster.supervision.launch import executed
from sampan.cluster.supervision.processes import Records
from sampan.cluster.supervision.supervisor import Program, Supervisor

folder = Path(sys.argv[1])
programs = [
    Program(name=name, start=executed(command, folder / "log"), outlives=name == "lasting")
    for name, command in (("worker", ["sleep", "1000"]), ("lasting", ["sleep", "1001"]), ("failing", ["false"]))
]
backoff = Backoff(base=0.05, cap=0.1, rng=random.Random(1))
Supervisor(programs, records=Records(folder), clock=SystemClock(), backoff=backoff).run()
"""
PATIENCE = 20.0


class Supervised:
    """A supervisor in a process of its own, keeping two sleeps and a program that always fails."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.records = Records(folder)
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        self.process = subprocess.Popen([sys.executable, "-c", SUPERVISOR, str(self.folder)])
        return self.process

    def alive(self, name: str, other_than: int | None = None) -> Record:
        """The record of that program once it runs (as another process than `other_than`)."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            entry = self.records.load(name)
            if entry and entry.alive and entry.pid != other_than:
                return entry
            os.sched_yield()
        raise AssertionError(f"{name} does not run")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for entry in self.records.all():
            entry.signal(signal.SIGKILL)


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Supervised]:
    running = Supervised(tmp_path)
    yield running
    running.close()


def test_a_killed_process_is_started_again(supervised: Supervised) -> None:
    first = supervised.alive("worker")
    first.signal(signal.SIGKILL)
    second = supervised.alive("worker", other_than=first.pid)
    assert second.restarts == first.restarts + 1


def test_a_new_supervisor_adopts_what_runs(supervised: Supervised) -> None:
    worker, lasting = supervised.alive("worker"), supervised.alive("lasting")
    supervised.process.kill()
    supervised.process.wait()
    assert worker.alive
    supervised.start()
    worker.signal(signal.SIGKILL)
    supervised.alive("worker", other_than=worker.pid)
    assert supervised.records.load("lasting") == lasting


def test_stopping_ends_all_but_what_outlives_it(supervised: Supervised) -> None:
    worker, lasting = supervised.alive("worker"), supervised.alive("lasting")
    supervised.process.terminate()
    assert supervised.process.wait(PATIENCE) == 0
    assert not worker.alive and lasting.alive
    assert supervised.records.load("worker") is None


def test_a_program_that_always_fails_is_tried_again_and_does_not_disturb(supervised: Supervised) -> None:
    worker = supervised.alive("worker")
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        failing = supervised.records.load("failing")
        if failing and failing.restarts >= 3:
            break
    else:
        raise AssertionError("it was not started again")
    assert supervised.records.load("worker") == worker


def test_a_record_names_one_process_only() -> None:
    mine = record("me", os.getpid(), started=0)
    assert mine.alive
    other = Record(name="me", pid=mine.pid, began=mine.began + 1)
    assert not other.alive and not other.signal(signal.SIGTERM)
    assert began(2**22 + 1) is None


def test_an_unreadable_record_is_no_record(tmp_path: Path) -> None:
    (tmp_path / "worker.process").write_text("{")
    assert Records(tmp_path).load("worker") is None
