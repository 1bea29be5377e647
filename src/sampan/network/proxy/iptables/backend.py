"""Applies the chains by iptables' programs and notices when somebody else has been at them."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from sampan.network.command import Missing, Result, run
from sampan.network.errors import RefusedByKernel, Unusable
from sampan.network.netfilter import RuleSet
from sampan.network.proxy import flows, machine
from sampan.network.proxy.backend import Change, Ports
from sampan.network.proxy.conntrack import FlowCleaner
from sampan.network.proxy.iptables import chains
from sampan.network.proxy.iptables.table import AT_ONCE, TABLES, Table, batched
from sampan.network.proxy.settings import Settings

log = logging.getLogger(__name__)
SECONDS_TO_WAIT = "5"
"""How long a program waits for another that holds iptables' lock."""
UNTOLD_CHECKS = 12
"""The legacy programs' rules have no generation: they are counted at every so manieth question only."""


class IptablesBackend:
    """`proxy.backend.Backend` by iptables, in the network namespace of this process."""

    def __init__(self, settings: Settings, *, flow_cleaner: FlowCleaner | None = None) -> None:
        self._settings = settings
        self._table = Table(settings)
        self._kernel = RuleSet()
        self._cleaner = flow_cleaner or FlowCleaner()
        self._generation = -1
        self._legacy: bool | None = None
        self._questions = 0

    async def replace(self, services: Mapping[str, Ports]) -> None:
        for text in await asyncio.to_thread(self._table.replace, services, await self._existing()):
            await self._restore(text)
        for jump in chains.JUMPS:
            await self._ensure(jump)
        await machine.prepare(self._settings)
        self._generation = self._kernel.generation()
        await self._cleaner.clean(flows.udp_frontends(services.values()))

    async def update(self, changes: Sequence[Change]) -> None:
        texts = [text for some in batched(changes, AT_ONCE) if (text := self._table.update(some))]
        if not texts:
            return
        untouched = self._kernel.generation() == self._generation
        for text in texts:
            await self._restore(text)
        if untouched:
            self._generation = self._kernel.generation()
        await self._cleaner.clean(flows.changed_frontends(changes))

    async def damaged(self) -> bool:
        if not await self._may_have_changed():
            return False
        generation = self._kernel.generation()
        saved = await self._saved()
        whole = sum(_is_ours(line) for line in saved) == self._table.rule_count()
        if whole:
            self._generation = generation
        return not whole

    async def remove(self) -> None:
        if shutil.which(chains.program(self._settings)) is None:
            return
        existing = await self._existing()
        if any(chains.is_ours(chain, self._settings) for _, chain in existing):
            for jump in chains.JUMPS:
                while (await self._run("-t", jump.table, "-D", jump.chain, *jump.rule.split())).code == 0:
                    pass
            await self._restore(self._table.drop_text(existing))
        self.close()

    def close(self) -> None:
        self._kernel.close()

    def statistics(self) -> dict[str, Any]:
        return {**self._table.statistics(), **self._cleaner.statistics()}

    async def _may_have_changed(self) -> bool:
        if self._legacy is None:
            self._legacy = "legacy" in (await self._run("--version")).output
        if self._legacy:
            self._questions += 1
            return self._questions % UNTOLD_CHECKS == 0
        return self._kernel.generation() != self._generation

    async def _ensure(self, jump: chains.Entry) -> None:
        place = ("-t", jump.table)
        rule = jump.rule.split()
        if (await self._run(*place, "-C", jump.chain, *rule)).code:
            _checked(await self._run(*place, "-I", jump.chain, *rule))

    async def _existing(self) -> list[tuple[str, str]]:
        """(table, chain) of every chain there is."""
        found, table = [], ""
        for line in await self._saved():
            if line.startswith("*"):
                table = line[1:].strip()
            elif line.startswith(":") and table in TABLES:
                found.append((table, line[1:].split()[0]))
        return found

    async def _saved(self) -> list[str]:
        return (await _run(chains.program(self._settings, "save"))).output.splitlines()

    async def _restore(self, text: str) -> None:
        arguments = ("--noflush", "-w", SECONDS_TO_WAIT)
        _checked(await _run(chains.program(self._settings, "restore"), *arguments, text=text))

    async def _run(self, *arguments: str) -> Result:
        return await _run(chains.program(self._settings), "-w", SECONDS_TO_WAIT, *arguments)


async def _run(*command: str, text: str = "") -> Result:
    try:
        return await run(command, text)
    except Missing:
        raise Unusable(f"{command[0]} is not installed: apt-get install iptables") from None


def _checked(result: Result) -> None:
    if result.code == 0:
        return
    if "Permission denied" in result.errors or "you must be root" in result.errors:
        raise Unusable("iptables may not change firewall rules: run as root (CAP_NET_ADMIN)")
    raise RefusedByKernel(result.complaint)


def _is_ours(line: str) -> bool:
    """A rule in a chain of ours, or one that leads there."""
    return line.startswith("-A KUBE-") or (line.startswith("-A ") and " -j KUBE-" in line)
