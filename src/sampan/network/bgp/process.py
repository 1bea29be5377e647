"""BIRD as a process of its own, which outlives ours.

A new configuration is checked by BIRD itself before the running one is told to take it up, which leaves sessions alone
that stay as they were. A BIRD that died is started anew in recovery: the kernel keeps its routes until the sessions are
back (RFC 4724). So do neighbours that were not told by BFD that it is gone, which to them is the death of the node.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

from sampan.aio.clock import Clock
from sampan.network.command import Missing, Result, run
from sampan.network.errors import Unusable

log = logging.getLogger(__name__)

PROGRAM, CONTROL = "bird", "birdc"
CONFIGURATION, DRAFT, PID_FILE, SOCKET, LOG = "bird.conf", "bird.draft", "bird.pid", "bird.ctl", "bird.log"
END_SECONDS, LOOK_SECONDS = 5.0, 0.05
PROTOCOL = "bird"
"""Of its routes in the kernel (`ip route show proto bird`)."""


class Refused(Exception):
    """BIRD does not take the configuration; carries its words."""


class Bird:
    """`folder` holds its files, and nobody else's."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self.log = str(folder / LOG)
        self._clock = clock

    async def use(self, text: str) -> bool:
        """Runs with this configuration from now on; False when it did already. Raises Refused, Unusable, OSError."""
        file, known = self._folder / CONFIGURATION, self.running()
        if known and file.read_text() == text:
            return False
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self._folder / DRAFT
        _write(draft, text)
        _taken(await _run(PROGRAM, "-p", "-c", str(draft)))
        draft.replace(file)
        if known:
            _taken(await self._control("configure"))
        else:
            await self._start()
        return True

    def running(self) -> int | None:
        """Its process's id."""
        try:
            pid = int((self._folder / PID_FILE).read_text())
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return pid if str(self._folder / CONFIGURATION).encode() in arguments else None

    async def problems(self) -> dict[str, str]:
        """What keeps each session from being established, by its name; empty when all are."""
        listing = await self._control("show protocols")
        return dict(sessions(listing.output)) if not listing.code else {"bird": listing.complaint}

    async def remove(self, cluster: Sequence[str]) -> None:
        """Ends it, so that its neighbours hear that the routes are withdrawn, and takes its files and routes away."""
        known = (self._folder / PID_FILE).exists()
        if pid := self.running():
            os.kill(pid, signal.SIGTERM)
            await self._ended(pid)
        if known:
            for cidr in cluster:
                version = "-6" if ":" in cidr else "-4"
                await run(("ip", version, "route", "flush", "proto", PROTOCOL, "root", cidr))
        for name in (CONFIGURATION, DRAFT, PID_FILE, SOCKET, LOG, f"{LOG}.old"):
            (self._folder / name).unlink(missing_ok=True)

    async def _ended(self, pid: int) -> None:
        """One that does not hear is killed."""
        deadline = self._clock.monotonic() + END_SECONDS
        while self.running() == pid:
            if self._clock.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
                return
            await self._clock.sleep(LOOK_SECONDS)

    async def _start(self) -> None:
        if other := next(strangers(), None):
            raise Unusable(
                f"another BIRD runs on this node, pid {other}, and each would delete the other's routes: end it "
                "(`systemctl disable --now bird`), or use --pod-network none and let it announce the pods' ranges"
            )
        recovering = ["-R"] if (self._folder / PID_FILE).exists() else []
        names = {"-c": CONFIGURATION, "-s": SOCKET, "-P": PID_FILE}
        files = [word for option, name in names.items() for word in (option, str(self._folder / name))]
        nothing = asyncio.subprocess.DEVNULL
        child = await asyncio.create_subprocess_exec(
            PROGRAM, *files, *recovering, stdin=nothing, stdout=nothing, stderr=nothing
        )
        if code := await child.wait():
            raise Refused(f"bird ends with {code}: see {self.log}")
        log.info("bird started pid=%s recovering=%s", self.running(), bool(recovering))

    async def _control(self, *words: str) -> Result:
        return await _run(CONTROL, "-s", str(self._folder / SOCKET), *words)


def _write(file: Path, text: str) -> None:
    """There may be passwords in it."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as opened:
        opened.write(text)


def strangers(root: Path = Path("/proc")) -> Iterator[int]:
    """Processes named as BIRD's is, in this network namespace."""
    here = (root / "thread-self/ns/net").readlink()
    for folder in root.glob("[0-9]*"):
        try:
            if (folder / "comm").read_text() == f"{PROGRAM}\n" and (folder / "ns/net").readlink() == here:
                yield int(folder.name)
        except OSError:
            continue


def sessions(listing: str) -> Iterator[tuple[str, str]]:
    """(name, state and reason) of the BGP sessions that are not established, of what `show protocols` prints."""
    for line in listing.splitlines():
        words = line.split()
        if words[1:2] == ["BGP"] and "Established" not in words[5:]:
            yield words[0].removeprefix("with_"), " ".join(words[5:]) or words[3]


async def _run(*words: str) -> Result:
    try:
        return await run(words)
    except Missing as error:
        raise Unusable(f"--pod-network bgp: {error}") from None


def _taken(result: Result) -> None:
    if result.code:
        raise Refused(result.complaint)
