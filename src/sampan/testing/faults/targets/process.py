"""An API server in a process of its own, which can be killed, stopped for a while and started again on its data."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from sampan.store.errors import Unavailable
from sampan.testing.faults.apistore import ApiStore
from sampan.testing.faults.http import TOKENS, Https, ready

START_SECONDS = 60.0
PORT = 6443
FILLING = 200_000
"""More than a block of any file that is left for a write."""


class ServerProcess:
    """`prefix` is what its command begins with: where it runs."""

    def __init__(self, folder: Path, address: str, arguments: Sequence[str], *, prefix: Sequence[str]) -> None:
        self.folder = folder
        self._prefix = list(prefix)
        self._arguments = [
            *(sys.executable, "-m", "sampan", "apiserver", "--data-dir", str(folder)),
            *("--bind-address", address, "--port", str(PORT), "--disable-admission-plugins", "ServiceAccount"),
            *("--token-auth-file", str(folder / "tokens.csv"), *arguments),
        ]
        self.caller = Https(f"https://{address}:{PORT}")
        self.store = ApiStore(self.caller)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "tokens.csv").write_text(TOKENS)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([*self._prefix, *self._arguments], stdout=log, stderr=log)

    async def ready(self) -> None:
        """Returns when it serves; raises `Unavailable` with what it said last."""
        try:
            await ready(self.caller, START_SECONDS)
        except TimeoutError:
            raise Unavailable(f"the server did not become ready: {self.said()}") from None

    async def writes(self) -> bool:
        """Whether it takes writes."""
        try:
            body = {"metadata": {"generateName": "probe-"}, "data": {"v": "x" * FILLING}}
            status, _ = await self.caller.request("POST", "/api/v1/namespaces/default/configmaps", body)
        except Unavailable:
            return False
        return status == 201

    def said(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-2000:]

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        assert self.process is not None, "started before"
        return self.process.pid

    def send(self, number: signal.Signals) -> None:
        if self.process is not None and self.running:
            self.process.send_signal(number)

    async def end(self, how: signal.Signals = signal.SIGKILL) -> None:
        """Returns when the process is no more."""
        self.send(how)
        if self.process is not None:
            self.send(signal.SIGCONT)
            try:
                await asyncio.to_thread(self.process.wait, 20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    async def close(self) -> None:
        await self.end()
        await self.caller.close()
