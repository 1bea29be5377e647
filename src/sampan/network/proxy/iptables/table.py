"""What the chains should hold, and the iptables-restore text that takes the kernel there. No I/O.

The texts are for `iptables-restore --noflush`: a chain that is declared is emptied first, others stay as they are. So a
change writes the chains of the services that changed, takes their gone entries out of the shared chains and puts new
ones first (last there is the way to node ports).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from sampan.network.proxy.backend import Change, Ports
from sampan.network.proxy.iptables import chains
from sampan.network.proxy.iptables.chains import Entry, Rendering
from sampan.network.proxy.settings import Settings

T = TypeVar("T")
TABLES = ("filter", "nat")
AT_ONCE = 200
"""Services in a text: what iptables-restore (1.8.9, on nf_tables) takes grows with the square of the chains in it."""


class Table:
    """Follows our chains; `replace` and `update` return text, one atomic step for each of the tables in it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._services: dict[str, Rendering] = {}

    def replace(self, services: Mapping[str, Ports], existing: Iterable[tuple[str, str]] = ()) -> list[str]:
        """Texts that make our chains hold exactly `services`; `existing`: (table, chain) of the kernel's.

        Services' own chains come first, to which nothing new leads before the last text.
        """
        self._services = {key: chains.render(key, ports, self._settings) for key, ports in services.items()}
        known = set(existing)
        constant = chains.constant_chains(self._settings)
        absent = _Text()
        for table, chain in constant.keys() - known:
            absent.chain(table, chain, ())
        pieces = map(self._own, batched([*self._services.values()], AT_ONCE))
        return [text for text in (absent.whole(), *pieces, self._shared(constant, known)) if text]

    def _own(self, some: Sequence[Rendering]) -> str:
        text = _Text()
        for one in some:
            for name, rules in one.chains.items():
                text.chain("nat", name, rules)
        return text.whole()

    def _shared(self, constant: Mapping[tuple[str, str], Sequence[str]], existing: set[tuple[str, str]]) -> str:
        """The chains that lead to services, anew, and what nothing leads to any more."""
        text = _Text()
        for table, chain in constant:
            text.chain(table, chain, ())
        text.entries("-A", [entry for one in self._services.values() for entry in one.entries])
        for (table, chain), rules in constant.items():
            text.entries("-A", [Entry(table, chain, rule) for rule in rules])
        own = {("nat", name) for one in self._services.values() for name in one.chains}
        for table, chain in sorted(existing - own - constant.keys()):
            if chains.is_ours(chain, self._settings):
                text.delete(table, chain)
        return text.whole()

    def update(self, changes: Sequence[Change]) -> str:
        """Text for the differences only; "" when there are none."""
        text = _Text()
        for change in changes:
            old = self._services.pop(change.service, Rendering({}, {}))
            new = chains.render(change.service, change.new, self._settings)
            if change.new:
                self._services[change.service] = new
            for name, rules in new.chains.items():
                if old.chains.get(name) != rules:
                    text.chain("nat", name, rules)
            text.entries("-D", [entry for entry in old.entries if entry not in new.entries])
            text.entries("-I", [entry for entry in new.entries if entry not in old.entries])
            for name in old.chains.keys() - new.chains.keys():
                text.delete("nat", name)
        return text.whole()

    def drop_text(self, existing: Iterable[tuple[str, str]]) -> str:
        """Deletes every chain of ours among those; the rules that lead there must be gone."""
        text = _Text()
        for table, chain in existing:
            if chains.is_ours(chain, self._settings):
                text.delete(table, chain)
        return text.whole()

    def rule_count(self) -> int:
        """How many rules of ours there are when all is whole, those in the kernel's own chains included."""
        constant = sum(map(len, chains.constant_chains(self._settings).values()))
        return len(chains.JUMPS) + constant + chains.every_rule(self._services.values())

    def statistics(self) -> dict[str, int]:
        return {"rules": self.rule_count(), "chains": sum(len(one.chains) for one in self._services.values())}


def batched(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[at : at + size] for at in range(0, len(items), size))


class _Text:
    """Lines for each table, in the order iptables-restore needs: chains, their rules, entries, then deletions."""

    def __init__(self) -> None:
        self._declared: dict[str, list[str]] = defaultdict(list)
        self._rules: dict[str, list[str]] = defaultdict(list)
        self._entries: dict[str, list[str]] = defaultdict(list)
        self._deleted: dict[str, list[str]] = defaultdict(list)

    def chain(self, table: str, name: str, rules: Iterable[str]) -> None:
        self._declared[table].append(f":{name} - [0:0]")
        self._rules[table] += [f"-A {name} {rule}" for rule in rules]

    def entries(self, verb: str, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self._entries[entry.table].append(f"{verb} {entry.chain} {entry.rule}")

    def delete(self, table: str, name: str) -> None:
        self._declared[table].append(f":{name} - [0:0]")
        self._deleted[table].append(f"-X {name}")

    def whole(self) -> str:
        return "".join(self._table(table) for table in TABLES)

    def _table(self, table: str) -> str:
        lines = [*self._declared[table], *self._rules[table], *self._entries[table], *self._deleted[table]]
        return "\n".join([f"*{table}", *lines, "COMMIT", ""]) if lines else ""
