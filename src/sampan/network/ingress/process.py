"""haproxy as a process of its own, which outlives ours.

New files are checked by haproxy itself before the running one is told to take them up: what it refuses leaves the
running configuration as it is. The master process hands the listening sockets to a new worker; the old one finishes
its requests first. What the worker can be told by its socket needs no new one; the files on disk say the same, for
who is started next.
"""

from __future__ import annotations

import asyncio
import logging
import os
import pwd
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path

from sampan.aio.clock import Clock
from sampan.network.command import Missing, run
from sampan.network.errors import Unusable
from sampan.network.ingress.haproxy import CONFIGURATION, SOCKET, Place, unproven
from sampan.network.ingress.runtime import Steps, deletion

log = logging.getLogger(__name__)

PROGRAM = "haproxy"
USER = "haproxy"
START_SECONDS, LOOK_SECONDS = 5.0, 0.01
SUCCESSION_SECONDS, ANSWER_SECONDS = 30.0, 5.0
PID_FILE, LOG_FILE = "haproxy.pid", "haproxy.log"


class Refused(Exception):
    """haproxy does not take the configuration; carries its words."""


def user() -> str:
    """Whom haproxy can become: its Debian package makes a user of that name."""
    try:
        return pwd.getpwnam(USER).pw_name
    except KeyError:
        return ""


class Haproxy:
    """The file with the master's id is written after the program that started it has ended."""

    def __init__(self, place: Place, clock: Clock) -> None:
        self._clock = clock
        self._folder = Path(place.folder)
        self._files: dict[str, bytes] | None = None
        """What the worker that answers at the socket has; None when that is not known."""
        self._leaving: set[str] = set()
        self._draft = self._folder.with_name(f"{self._folder.name}.draft")

    async def use(self, files: Mapping[str, bytes]) -> bool:
        """Runs with these files from now on; False when it did already. Raises Refused, Unusable, OSError."""
        if self._files == files and self.running():
            return False
        await self._check(files)
        self._put(files)
        if pid := self.running():
            former = await self._worker()
            os.kill(pid, signal.SIGUSR2)
        else:
            former = None
            await self._start()
        self._leaving.clear()
        self._files = dict(files) if await self._succeeded(former) else None
        return True

    async def change(self, files: Mapping[str, bytes], steps: Steps) -> bool:
        """Tells the worker the steps to these files; False when it did not take one: then the files are to be used."""
        if self._files is None or not self.running():
            return False
        self._put(files)
        self._files = None
        for command in steps.commands:
            answer = await self._ask(command.text)
            if answer is None or not any(good in answer for good in command.good):
                log.warning("haproxy does not take a change command=%r answer=%r", command.text[:100], answer)
                return False
        await self._delete((self._leaving | steps.leaving) - steps.joining)
        self._files = dict(files)
        return True

    def running(self) -> int | None:
        """The master process's id. On taking up new files it runs itself anew, without arguments for a moment."""
        try:
            pid = int((self._folder / PID_FILE).read_text())
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            name, _, state = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].rpartition(") ")
        except (OSError, ValueError):
            return None
        between = arguments == [b""] and name == PROGRAM and not state.startswith("Z")
        return pid if between or str(self._folder / CONFIGURATION).encode() in arguments else None

    async def remove(self) -> None:
        """Ends it and takes its files away; nothing there is no error."""
        if pid := self.running():
            os.kill(pid, signal.SIGTERM)
        for folder in (self._folder, self._draft):
            shutil.rmtree(folder, ignore_errors=True)

    def _put(self, files: Mapping[str, bytes]) -> None:
        known = self._files or {}
        _write(self._folder, {name: data for name, data in files.items() if known.get(name) != data})
        for stale in self._folder.iterdir():
            if stale.suffix in (".pem", ".map") and stale.name not in files:
                stale.unlink()

    async def _delete(self, servers: set[str]) -> None:
        """Those to which somebody is connected are tried again at the next change."""
        self._leaving = set()
        for server in servers:
            command = deletion(server)
            answer = await self._ask(command.text)
            if not any(good in (answer or "") for good in command.good):
                self._leaving.add(server)

    async def _succeeded(self, former: int | None) -> bool:
        """Whether another worker answers at the socket, waited for: what the former is told is lost."""
        deadline = self._clock.monotonic() + SUCCESSION_SECONDS
        while self._clock.monotonic() < deadline:
            if await self._worker() not in (None, former):
                return True
            await self._clock.sleep(LOOK_SECONDS)
        log.warning("no other haproxy has taken over within %d s", SUCCESSION_SECONDS)
        return False

    async def _worker(self) -> int | None:
        """The id of the process that answers at the socket."""
        told = dict(line.partition(": ")[::2] for line in (await self._ask("show info") or "").splitlines())
        return int(told["Pid"]) if "Pid" in told else None

    async def _ask(self, command: str) -> str | None:
        """The worker's answer; None when there is none."""
        try:
            return await self._clock.wait_for(_answer(self._folder / SOCKET, command), ANSWER_SECONDS)
        except (OSError, TimeoutError):
            return None

    async def _check(self, files: Mapping[str, bytes]) -> None:
        """Asks haproxy about a copy whose paths are the copy's own."""
        here, there = str(self._folder).encode(), str(self._draft).encode()
        asked = unproven(files, self._files or {})
        shutil.rmtree(self._draft, ignore_errors=True)
        _write(self._draft, {name: data.replace(here + b"/", there + b"/") for name, data in asked.items()})
        await self._run("-c", "-f", str(self._draft / CONFIGURATION))
        shutil.rmtree(self._draft, ignore_errors=True)

    async def _start(self) -> None:
        """It keeps the descriptors it was started with, so that they may not be pipes that somebody waits for."""
        arguments = ("-W", "-D", "-p", str(self._folder / PID_FILE), "-f", str(self._folder / CONFIGURATION))
        with (self._folder / LOG_FILE).open("wb") as output:
            child = await asyncio.create_subprocess_exec(
                PROGRAM, *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output
            )
            code = await child.wait()
        if code:
            raise Refused(_alerts((self._folder / LOG_FILE).read_text(errors="replace")) or f"exit code {code}")
        deadline = self._clock.monotonic() + START_SECONDS
        while self.running() is None and self._clock.monotonic() < deadline:
            await self._clock.sleep(LOOK_SECONDS)
        log.info("haproxy started pid=%s", self.running())

    async def _run(self, *arguments: str) -> None:
        try:
            result = await run((PROGRAM, *arguments))
        except Missing as error:
            raise Unusable(str(error)) from None
        if result.code:
            raise Refused(_alerts(result.errors) or result.complaint)


async def _answer(socket: Path, command: str) -> str:
    reader, writer = await asyncio.open_unix_connection(socket)
    try:
        writer.write(f"{command}\n".encode())
        await writer.drain()
        return (await reader.read()).decode(errors="replace")
    finally:
        writer.close()


def _alerts(text: str) -> str:
    return " | ".join([line for line in text.splitlines() if "[ALERT]" in line][:3])


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, data in files.items():
        path = folder / name
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
