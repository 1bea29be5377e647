"""haproxy as a process of its own, which outlives ours.

New files are checked by haproxy itself before the running one is told to take them up: what it refuses leaves the
running configuration as it is. The master process hands the listening sockets to a new worker; the old one finishes
its requests first.
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
from sampan.network.ingress.haproxy import CONFIGURATION, Place

log = logging.getLogger(__name__)

PROGRAM = "haproxy"
USER = "haproxy"
START_SECONDS, LOOK_SECONDS = 5.0, 0.01
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
        self._draft = self._folder.with_name(f"{self._folder.name}.draft")

    async def use(self, files: Mapping[str, bytes]) -> bool:
        """Runs with these files from now on; False when it did already. Raises Refused, Unusable, OSError."""
        if self._files == files and self.running():
            return False
        await self._check(files)
        _write(self._folder, files)
        for stale in self._folder.iterdir():
            if stale.suffix in (".pem", ".map") and stale.name not in files:
                stale.unlink()
        if pid := self.running():
            os.kill(pid, signal.SIGUSR2)
        else:
            await self._start()
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

    async def _check(self, files: Mapping[str, bytes]) -> None:
        """Asks haproxy about a copy whose paths are the copy's own."""
        here, there = str(self._folder).encode(), str(self._draft).encode()
        shutil.rmtree(self._draft, ignore_errors=True)
        _write(self._draft, {name: data.replace(here + b"/", there + b"/") for name, data in files.items()})
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


def _alerts(text: str) -> str:
    return " | ".join([line for line in text.splitlines() if "[ALERT]" in line][:3])


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, data in files.items():
        path = folder / name
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
