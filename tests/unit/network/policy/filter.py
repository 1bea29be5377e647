"""A packet filter that understands the few words of the policies' table, and refuses what the kernel would."""

from __future__ import annotations

import asyncio
import re

from sampan.network.errors import RefusedByKernel

CHAIN = re.compile(r"table \S+ \S+ \{\n  chain (\S+) \{\n(.*?)  \}\n\}\n?", re.S)


class FakeFilter:
    """`sets`: name -> element -> verdict ("" in a set); None for no table. `texts`: what was applied."""

    def __init__(self) -> None:
        self.sets: dict[str, dict[str, str]] | None = None
        self.chains: dict[str, list[str]] = {}
        self.texts: list[str] = []
        self.refuse = 0
        self.touched = False
        self.open = asyncio.Event()
        """Texts are taken while it is set."""
        self.open.set()

    async def apply(self, text: str) -> None:
        await self.open.wait()
        self.take(text)

    def damaged(self, state: object) -> bool:
        return self.touched

    def close(self) -> None: ...

    def take(self, text: str) -> None:
        if self.refuse:
            self.refuse -= 1
            raise RefusedByKernel("no")
        self.texts.append(text)
        self.touched = False
        for name, rules in CHAIN.findall(text):
            # Declared ahead of their place in the text: nothing before it refers to them.
            self._pending = {**getattr(self, "_pending", {}), name: [rule.strip() for rule in rules.splitlines()]}
        for line in CHAIN.sub(lambda found: f"chain {found[1]}\n", text).splitlines():
            self._line(line)
        self._check()

    def _line(self, line: str) -> None:
        words = line.split()
        if words[0] == "chain":
            self.chains[words[1]] = self._pending.pop(words[1])
            return
        verb, kind, name = words[0], words[1], words[4] if len(words) > 4 else ""
        if kind == "table":
            self.sets = (self.sets if self.sets is not None else {}) if verb == "add" else None
            self.chains = self.chains if verb == "add" else {}
            return
        assert self.sets is not None, line
        if kind in ("set", "map"):
            self.sets.setdefault(name, {}) if verb == "add" else self.sets.pop(name)
        elif kind == "chain":
            del self.chains[name]
        else:
            self._elements(verb, self.sets[name], line[line.index("{") + 1 : line.rindex("}")])

    def _elements(self, verb: str, held: dict[str, str], body: str) -> None:
        for item in body.split(","):
            key, _, verdict = item.strip().partition(" : ")
            if verb == "add":
                assert key not in held, f"{key} is there already"
                held[key] = verdict
            else:
                del held[key]

    def _check(self) -> None:
        """No verdict and no rule may lead to what is not there."""
        sets = self.sets or {}
        for verdict in (v for held in sets.values() for v in held.values() if v):
            assert verdict.removeprefix("jump ") in self.chains, verdict
        for rule in (rule for rules in self.chains.values() for rule in rules):
            for name in re.findall(r"@(\S+)", rule):
                assert name in sets, rule
