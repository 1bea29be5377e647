"""Applies the chains by iptables' programs and notices when somebody else has been at them."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sampan.network.command import Missing, Result, run
from sampan.network.errors import RefusedByKernel, Unusable
from sampan.network.netfilter import RuleSet
from sampan.network.proxy import flows, machine
from sampan.network.proxy.backend import Change, Ports
from sampan.network.proxy.conntrack import FlowCleaner
from sampan.network.proxy.iptables import chains
from sampan.network.proxy.iptables.table import AT_ONCE, TABLES, WITHOUT_LIMIT, Table, batched
from sampan.network.proxy.settings import Settings

log = logging.getLogger(__name__)
SECONDS_TO_WAIT = "5"
"""How long a program waits for another that holds iptables' lock."""
UNTOLD_CHECKS = 12
"""The legacy programs' rules have no generation: they are counted at every so manieth question only."""
RULES_A_QUESTION = 20_000
"""Reading a rule takes some 10 us: so many are read for each question, lest counting them be all that is done."""


class IptablesBackend:
    """`proxy.backend.Backend` by iptables, in the network namespace of this process."""

    def __init__(self, settings: Settings, *, flow_cleaner: FlowCleaner | None = None) -> None:
        self._settings = settings
        self._table = Table(settings)
        self._kernel = RuleSet()
        self._cleaner = flow_cleaner or FlowCleaner()
        self._generation = -1
        self._legacy: bool | None = None
        self._unasked = 0

    async def replace(self, services: Mapping[str, Ports]) -> None:
        existing, at_once = await self._existing(), await self._at_once()
        for text in await asyncio.to_thread(self._table.replace, services, existing, at_once):
            await self._restore(text)
        for jump in chains.JUMPS:
            await self._ensure(jump)
        await machine.prepare(self._settings)
        self._generation = self._kernel.generation()
        await self._cleaner.clean(flows.udp_frontends(services.values()))

    async def update(self, changes: Sequence[Change]) -> None:
        parts = batched(changes, await self._at_once())
        texts = [text for some in parts if (text := self._table.update(some))]
        if not texts:
            return
        untouched = self._kernel.generation() == self._generation
        for text in texts:
            await self._restore(text)
        if untouched:
            self._generation = self._kernel.generation()
        await self._cleaner.clean(flows.changed_frontends(changes))

    async def damaged(self) -> bool:
        generation = self._kernel.generation()
        if not await self._may_have_changed(generation):
            return False
        whole = await self._count() == self._table.rule_count()
        if whole:
            self._generation = generation
        return not whole

    async def remove(self) -> None:
        if shutil.which(chains.program(self._settings)) is None:
            return
        if texts := self._table.drop(await self._existing(), await self._at_once()):
            for jump in chains.JUMPS:
                while (await self._run("-t", jump.table, "-D", jump.chain, *jump.rule.split())).code == 0:
                    pass
            for text in texts:
                await self._restore(text)
        self.close()

    def close(self) -> None:
        self._kernel.close()

    def statistics(self) -> dict[str, Any]:
        return {**self._table.statistics(), "packets": self._packets(), **self._cleaner.statistics()}

    def _packets(self) -> dict[str, int]:
        """What the kernel has counted, by the name that kube-proxy gives it; nothing with the legacy programs."""
        found: dict[str, int] = {}
        family, constant = self._settings.family.table, chains.constant_chains(self._settings)
        for name, (table, chain, known) in chains.COUNTED.items():
            number = next((n for n, rule in enumerate(constant[table, chain]) if known in rule), None)
            packets = self._kernel.packets(family, table, chain) if number is not None else []
            if number is not None and number < len(packets):
                found[name] = packets[number]
        return found

    async def _may_have_changed(self, generation: int) -> bool:
        """Asked as seldom as counting is dear."""
        self._unasked += 1
        pause = self._table.rule_count() // RULES_A_QUESTION
        if await self._is_legacy():
            return self._unasked % max(pause, UNTOLD_CHECKS) == 0
        if generation == self._generation or self._unasked <= pause:
            return False
        self._unasked = 0
        return True

    async def _is_legacy(self) -> bool:
        if self._legacy is None:
            self._legacy = "legacy" in (await self._run("--version")).output
        return self._legacy

    async def _at_once(self) -> int:
        return WITHOUT_LIMIT if await self._is_legacy() else AT_ONCE

    async def _ensure(self, jump: chains.Entry) -> None:
        place = ("-t", jump.table)
        rule = jump.rule.split()
        if (await self._run(*place, "-C", jump.chain, *rule)).code:
            _checked(await self._run(*place, "-I", jump.chain, *rule))

    async def _existing(self) -> list[tuple[str, str]]:
        return await asyncio.to_thread(_chains, await self._saved())

    async def _count(self) -> int:
        """How many rules of ours there are."""
        saved = await self._saved()
        return await asyncio.to_thread(lambda: sum(map(_is_ours, _lines(saved))))

    async def _saved(self) -> str:
        return (await _run(chains.program(self._settings, "save"))).output

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


def _chains(saved: str) -> list[tuple[str, str]]:
    """(table, chain) of every chain there is."""
    found, table = [], ""
    for line in _lines(saved):
        if line.startswith("*"):
            table = line[1:].strip()
        elif line.startswith(":") and table in TABLES:
            found.append((table, line[1:].split()[0]))
    return found


def _lines(text: str) -> Iterator[str]:
    """A line at a time: there may be half a million, and others want to have their turn."""
    start = 0
    while (end := text.find("\n", start)) >= 0:
        yield text[start:end]
        start = end + 1


def _is_ours(line: str) -> bool:
    """A rule in a chain of ours, or one that leads there."""
    return line.startswith("-A KUBE-") or (line.startswith("-A ") and " -j KUBE-" in line)
