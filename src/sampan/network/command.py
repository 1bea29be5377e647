"""Programs of the system, run as children: `nft`, `conntrack`, `ip`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import BinaryIO, NamedTuple


class Missing(Exception):
    """The program is not installed; the text says which package has it."""


class Result(NamedTuple):
    code: int
    output: str
    errors: str

    @property
    def complaint(self) -> str:
        """The first lines of what it said on failing, short enough for a log line."""
        lines = (self.errors or self.output).strip().splitlines()
        return " | ".join(line[:300] for line in lines[:3]) or f"exit code {self.code}"


PACKAGES = {"nft": "nftables", "ip": "iproute2", "tc": "iproute2", "bird": "bird2", "birdc": "bird2"}
"""Where program and package have different names."""


async def run(command: Sequence[str], text: str = "") -> Result:
    """Runs a program with `text` on its standard input; raises Missing. Cancelling it ends the child."""
    with _standard_input(text) as source:
        try:
            child = await asyncio.create_subprocess_exec(
                *command, stdin=source, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
            )
        except FileNotFoundError:
            name = command[0]
            raise Missing(f"{name} is not installed: apt-get install {PACKAGES.get(name, name)}") from None
    try:
        output, errors = await child.communicate()
    except asyncio.CancelledError:
        if child.returncode is None:
            child.kill()
            await child.wait()
        raise
    return Result(child.returncode or 0, output.decode(errors="replace"), errors.decode(errors="replace"))


def _standard_input(text: str) -> BinaryIO:
    """The text as a file in memory: a pipe to a program that ends before it has read all would break."""
    source = os.fdopen(os.memfd_create("input"), "w+b")
    source.write(text.encode())
    source.seek(0)
    return source
