"""A cluster in the test's own event loop."""

from __future__ import annotations

from pathlib import Path

from sampan.testing.local.address import Address
from sampan.testing.local.parts import Parts
from sampan.testing.local.setup import Setup


class InLoop:
    """`start`, then `stop`, in the same loop."""

    def __init__(self, setup: Setup, folder: Path) -> None:
        self._parts = Parts(setup, folder)

    async def start(self) -> Address:
        return await self._parts.__aenter__()

    async def stop(self) -> None:
        await self._parts.__aexit__(None, None, None)

    def silence(self, name: str, silent: bool) -> None:
        """Kills a simulated node, or brings it back."""
        nodes = self._parts.nodes
        assert nodes is not None
        (nodes.kill if silent else nodes.revive)(name)
