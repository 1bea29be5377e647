"""What the table should hold, and the nft text that takes the kernel there. No I/O.

An element has one owner. When two Services claim the same address and port (an external IP used twice) the first one
has it and the others wait; when it lets go, the next in line takes over. Elements that mean the same whoever claims
them (an address that may meet itself) are shared by the same rule.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from sampan.network.proxy.backend import Change, Ports
from sampan.network.proxy.nftables import ruleset
from sampan.network.proxy.nftables.elements import Elements, Key, render
from sampan.network.proxy.nftables.ruleset import Variant, chain_text
from sampan.network.proxy.settings import Settings

REMEMBER = "remember-"
Claim = tuple[str, str]
"""The Service that claims an element, and the value it gives it."""


class Table:
    """Follows one kernel table; `replace` and `update` return the text to be applied as one transaction."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.name = f"{settings.family.table} {ruleset.TABLE}"
        self._held: dict[Key, Claim] = {}
        self._waiting: dict[Key, list[Claim]] = {}
        self._chains: dict[str, int] = {}

    def replace(self, services: Mapping[str, Ports], existing_chains: Iterable[str] = ()) -> str:
        """Text that makes the table hold exactly `services`, whatever it holds now.

        `existing_chains` are the kernel's; those no longer wanted are deleted. Remembered clients stay.
        """
        self._held, self._waiting, self._chains = {}, {}, {}
        chains: dict[str, list[str]] = {}
        for service, ports in services.items():
            chains |= self._claim_all(service, ports, {})
        chains |= ruleset.constant_rules(self.settings)
        return "\n".join([*self._skeleton(existing_chains), *self._rules(chains), *self._all_elements(), ""])

    def update(self, changes: Sequence[Change]) -> str:
        """Text for the differences only; "" when there are none. A Service may be named once."""
        before: dict[Key, str | None] = {}
        chains: dict[str, list[str]] = {}
        for service, old, new in changes:
            chains |= self._exchange(service, old, new, before)
        gone, come = self._differences(before)
        lines = [*self._rules(chains), *self._commands("delete", gone), *self._commands("add", come)]
        return "\n".join([*lines, ""]) if lines else ""

    def elements(self) -> Elements:
        """Every element the table holds when it is whole."""
        return {key: value for key, (_, value) in self._held.items()}

    def rule_counts(self) -> dict[str, int]:
        """How many rules each chain has when the table is whole."""
        return {name: len(rules) for name, rules in ruleset.constant_rules(self.settings).items()} | self._chains

    def element_counts(self) -> Counter[str]:
        """How many elements each map has when the table is whole; `affinity` is the kernel's own matter."""
        return Counter(name for name, _ in self._held)

    def timeouts(self) -> set[int]:
        """Seconds for which clients are remembered, each by a chain."""
        return {int(name.removeprefix(REMEMBER)) for name in self._chains if name.startswith(REMEMBER)}

    def contested(self) -> dict[Key, list[str]]:
        """Elements that several Services claim with different values: key -> those who wait."""
        return {key: [claim[0] for claim in claims] for key, claims in self._waiting.items() if self._held[key][1]}

    def statistics(self) -> dict[str, int]:
        return {"elements": len(self._held), "chains": len(self._chains), "contested": len(self.contested())}

    def drop_text(self) -> str:
        """Deletes the table; the first line makes that no error when there is none."""
        return f"add table {self.name}\ndelete table {self.name}\n"

    def _exchange(self, service: str, old: Ports, new: Ports, before: dict[Key, str | None]) -> dict[str, list[str]]:
        wanted = render(new).elements
        for key in render(old).elements:
            if key not in wanted:
                self._release(service, key, before)
        return self._claim_all(service, new, before)

    def _claim_all(self, service: str, ports: Ports, before: dict[Key, str | None]) -> dict[str, list[str]]:
        """Claims a Service's elements; returns the chains they lead to that are not there yet."""
        rendering = render(ports)
        for key, value in rendering.elements.items():
            self._claim(service, key, value, before)
        return self._missing_chains(rendering.variants, rendering.timeouts)

    def _missing_chains(self, variants: set[Variant], timeouts: set[int]) -> dict[str, list[str]]:
        found = {v.chain: ruleset.endpoint_chain(v, self.settings) for v in variants if v.chain not in self._chains}
        for seconds in timeouts:
            name = f"{REMEMBER}{seconds}"
            if name not in self._chains:
                found[name] = ruleset.remember_chain(seconds, self.settings)
        # The one rule that `remembering` adds counts as well.
        self._chains |= {name: max(len(rules), 1) for name, rules in found.items()}
        return found

    def _claim(self, service: str, key: Key, value: str, before: dict[Key, str | None]) -> None:
        held = self._held.get(key)
        if held is None or held[0] == service:
            before.setdefault(key, held[1] if held else None)
            self._held[key] = (service, value)
            return
        line = self._waiting.setdefault(key, [])
        line[:] = [claim for claim in line if claim[0] != service] + [(service, value)]

    def _release(self, service: str, key: Key, before: dict[Key, str | None]) -> None:
        line = self._waiting.get(key, [])
        if self._held[key][0] != service:
            line[:] = [claim for claim in line if claim[0] != service]
        else:
            before.setdefault(key, self._held[key][1])
            if line:
                self._held[key] = line.pop(0)
            else:
                del self._held[key]
        if key in self._waiting and not line:
            del self._waiting[key]

    def _differences(self, before: Mapping[Key, str | None]) -> tuple[dict[Key, str], dict[Key, str]]:
        """What to delete and what to add: a changed value is both."""
        gone, come = {}, {}
        for key, old in before.items():
            held = self._held.get(key)
            new = held[1] if held else None
            if old != new:
                if old is not None:
                    gone[key] = old
                if new is not None:
                    come[key] = new
        return gone, come

    def _skeleton(self, existing_chains: Iterable[str]) -> list[str]:
        """Declares maps and chains, then empties them: declaring first makes emptying safe on a fresh machine."""
        settings = self.settings
        hooks = ruleset.base_chains(settings)
        wanted = {*ruleset.constant_rules(settings), *self._chains}
        maps = ruleset.maps(settings)
        lines = [f"table {self.name} {{", *(_declaration(name, text) for name, text in maps.items())]
        lines.append(_declaration("affinity", ruleset.affinity_map(settings)))
        lines += [chain_text(name, (), hooks.get(name, "")) for name in sorted(wanted)]
        lines += ["}", f"flush table {self.name}"]
        lines += [f"flush {text.split()[0]} {self.name} {name}" for name, text in maps.items()]
        lines += [f"delete chain {self.name} {name}" for name in sorted(set(existing_chains) - wanted)]
        return lines

    def _rules(self, chains: Mapping[str, list[str]]) -> list[str]:
        texts = [chain_text(name, rules) for name, rules in sorted(chains.items())]
        return [f"table {self.name} {{", *texts, "}"] if texts else []

    def _all_elements(self) -> list[str]:
        return self._commands("add", self.elements())

    def _commands(self, verb: str, elements: Mapping[Key, str]) -> list[str]:
        by_map: dict[str, list[str]] = defaultdict(list)
        for (name, key), value in elements.items():
            by_map[name].append(f"{key} : {value}" if value and verb == "add" else key)
        return [f"{verb} element {self.name} {name} {{ {', '.join(items)} }}" for name, items in by_map.items()]


def _declaration(name: str, text: str) -> str:
    word, _, rest = text.partition(" ")
    return f"  {word} {name} {rest}"
