"""A cluster in a child process, which ends when its standard input does: with the test, however that ends.

The parent writes the setup as one line of JSON, the child answers with the server's address on one line; after that
the parent may write `kill NODE` and `revive NODE`.
"""

from __future__ import annotations

import asyncio
import selectors
import subprocess
import sys
from pathlib import Path
from typing import IO

import msgspec

from sampan.client import kubeconfig
from sampan.testing.local.address import Address
from sampan.testing.local.setup import BadSetup, Setup, kubeconfig_file

END_SECONDS = 30.0
SHOWN_BYTES = 4000


class Child:
    """`start`, then `stop`. Raises BadSetup with what the child said when it does not become ready."""

    def __init__(self, setup: Setup, folder: Path) -> None:
        self._setup = setup
        self._folder = folder
        self._log = folder / "cluster.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Address:
        command = [sys.executable, "-m", "sampan.testing.local", str(self._folder)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        self._say(msgspec.json.encode(self._setup))
        url = self._answer().decode().strip()
        if not url:
            self.stop()
            raise BadSetup(f"the cluster did not start: {self._log.read_bytes()[-SHOWN_BYTES:].decode()}")
        return Address(url, kubeconfig.load(kubeconfig_file(self._folder, "admin")))

    def stop(self) -> None:
        process = self._process
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def silence(self, name: str, silent: bool) -> None:
        """Kills a simulated node, or brings it back."""
        self._say(f"{'kill' if silent else 'revive'} {name}".encode())

    def _say(self, line: bytes) -> None:
        process = self._process
        assert process is not None and process.stdin is not None
        process.stdin.write(line + b"\n")
        process.stdin.flush()

    def _answer(self) -> bytes:
        """The child's first line; empty when it ended or took too long."""
        process = self._process
        assert process is not None and process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            return process.stdout.readline() if selector.select(self._setup.start_seconds) else b""


async def serve(folder: Path, commands: IO[bytes]) -> None:
    """What the child does; the test's own process need not load the server for it."""
    from sampan.testing.local.parts import Parts

    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), commands)
    setup = msgspec.json.decode(await reader.readline(), type=Setup)
    parts = Parts(setup, folder)
    async with parts as address:
        print(address.url, flush=True)
        while line := await reader.readline():
            verb, _, name = line.decode().strip().partition(" ")
            if parts.nodes is not None and verb in ("kill", "revive"):
                getattr(parts.nodes, verb)(name)
