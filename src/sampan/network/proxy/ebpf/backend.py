"""Programs for what they can decide, and nftables' rules for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sampan.network.proxy.backend import Change, Ports
from sampan.network.proxy.ebpf.attachment import Programs
from sampan.network.proxy.nftables.backend import NftablesBackend
from sampan.network.proxy.settings import Settings


class EbpfBackend:
    """`proxy.backend.Backend` by programs on the machine's cgroup, over nftables.

    Rules change first: what a program does not know yet goes by them.
    """

    def __init__(self, settings: Settings) -> None:
        self._rules = NftablesBackend(settings)
        self._programs = Programs(settings)

    async def replace(self, services: Mapping[str, Ports]) -> None:
        await self._rules.replace(services)
        await self._programs.replace(services)

    async def update(self, changes: Sequence[Change]) -> None:
        await self._rules.update(changes)
        self._programs.update(changes)

    async def damaged(self) -> bool:
        return not self._programs.attached() or await self._rules.damaged() or await self._programs.altered()

    async def remove(self) -> None:
        await self._programs.remove()
        await self._rules.remove()

    def close(self) -> None:
        self._programs.close()
        self._rules.close()

    def statistics(self) -> dict[str, Any]:
        return {**self._rules.statistics(), **self._programs.statistics()}
