"""One loop that keeps a list of processes running.

The supervisor is single-threaded and has no event loop, so it may fork: its children share the pages of all that was
imported before. For each process it holds a pidfd and sleeps until one ends or a restart is due.

It may itself be killed. Its children then go on; each has left a record, and the next supervisor adopts whom it finds
alive instead of starting a second one. Nothing would start that next supervisor, so one of the processes it keeps is
the guardian: the same loop, whose list has one entry, the supervisor. Either of the two brings back the other.

A process that ends is started again at once; one that keeps ending waits ever longer, and after a good minute is
trusted anew.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sampan.aio.backoff import Backoff
from sampan.aio.clock import Clock
from sampan.cluster.supervision.chores import Chore
from sampan.cluster.supervision.processes import Record, Records, record

log = logging.getLogger(__name__)
TRUSTED_AFTER_SECONDS = 60.0
STOP_SECONDS = 15.0


@dataclass(frozen=True, kw_only=True)
class Program:
    """A process to keep. `start` returns its pid; one that `outlives` the supervisor is not stopped with it."""

    name: str
    start: Callable[[], int]
    outlives: bool = False


class Keeper:
    """One program: its running process, if any, and when to start it next."""

    def __init__(self, program: Program, records: Records, clock: Clock, backoff: Backoff) -> None:
        self.program = program
        self._records = records
        self._clock = clock
        self._backoff = backoff
        self._failures = 0
        self._restarts = -1
        self._began = 0.0
        self.due = 0.0
        self.running: Record | None = None
        self.descriptor: int | None = None

    def adopt(self) -> None:
        """Takes over the process that an earlier supervisor left running."""
        known = self._records.load(self.program.name)
        if known is None:
            return
        self._restarts = known.restarts
        if known.alive and self._watch(known):
            log.info("adopted process=%s pid=%d", self.program.name, known.pid)

    def start_if_due(self) -> None:
        if self.running is None and self._clock.monotonic() >= self.due:
            self._restarts += 1
            pid = self.program.start()
            entry = record(self.program.name, pid, started=self._clock.now(), restarts=self._restarts)
            self._records.save(entry)
            log.info("started process=%s pid=%d restarts=%d", self.program.name, pid, self._restarts)
            if not self._watch(entry):
                self.ended()

    def ended(self) -> None:
        """The process has ended: note when to start it again."""
        if self.running is not None:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.running.pid, os.WNOHANG)
            log.warning("ended process=%s pid=%d", self.program.name, self.running.pid)
        self._forget_descriptor()
        now = self._clock.monotonic()
        self._failures = 1 if now - self._began > TRUSTED_AFTER_SECONDS else self._failures + 1
        self.due = now if self._failures == 1 else now + self._backoff.delay(self._failures - 1)

    def stop(self) -> None:
        """Ends the process, gently at first, and waits until it is gone."""
        entry = self.running
        if entry is None:
            return
        entry.signal(signal.SIGTERM)
        if not entry.wait(STOP_SECONDS):
            log.warning("does not stop process=%s pid=%d", self.program.name, entry.pid)
            entry.signal(signal.SIGKILL)
            entry.wait(STOP_SECONDS)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(entry.pid, os.WNOHANG)
        self._forget_descriptor()
        self._records.remove(self.program.name)

    def _watch(self, entry: Record) -> bool:
        """Holds the process's pidfd; False when it is already gone."""
        self._began = self._clock.monotonic()
        try:
            self.descriptor = os.pidfd_open(entry.pid)
        except ProcessLookupError:
            return False
        self.running = entry
        return True

    def _forget_descriptor(self) -> None:
        if self.descriptor is not None:
            os.close(self.descriptor)
        self.descriptor = self.running = None


class Supervisor:
    """Keeps `programs` running, in their order; `run` returns after SIGTERM or SIGINT, all that it owns stopped.

    Chores are done before the first program starts, and again when they are due.
    """

    def __init__(
        self,
        programs: Sequence[Program],
        *,
        records: Records,
        clock: Clock,
        backoff: Backoff,
        chores: Sequence[Chore] = (),
    ) -> None:
        self._keepers = [Keeper(program, records, clock, backoff) for program in programs]
        self._clock = clock
        self._chores = chores
        self._stopping = False

    def run(self) -> None:
        reader, writer = socket.socketpair()
        reader.setblocking(False)
        writer.setblocking(False)
        signal.set_wakeup_fd(writer.fileno())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        for keeper in self._keepers:
            keeper.adopt()
        while not self._stopping:
            for chore in self._chores:
                chore.do_if_due()
            for keeper in self._keepers:
                if not self._stopping:
                    keeper.start_if_due()
            self._wait(reader)
        for keeper in reversed(self._keepers):
            if not keeper.program.outlives:
                keeper.stop()

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _wait(self, wakeup: socket.socket) -> None:
        """Sleeps until a signal comes, a process ends, or something is due."""
        with selectors.DefaultSelector() as selector:
            selector.register(wakeup, selectors.EVENT_READ)
            for keeper in self._keepers:
                if keeper.descriptor is not None:
                    selector.register(keeper.descriptor, selectors.EVENT_READ, keeper)
            waiting = [keeper.due for keeper in self._keepers if keeper.running is None]
            waiting += [chore.due for chore in self._chores]
            timeout = max(min(waiting) - self._clock.monotonic(), 0) if waiting else None
            for key, _ in selector.select(timeout):
                if isinstance(key.data, Keeper):
                    key.data.ended()
                else:
                    wakeup.recv(4096)
