"""What the chains should hold, and the iptables-restore text that takes the kernel there. No I/O.

The texts are for `iptables-restore --noflush`: a chain that is declared is emptied first, others stay as they are. So a
change writes the chains of the services that changed, takes their gone entries out of the shared chains and puts new
ones first (last there is the way to node ports).

iptables-restore (1.8.9, on nf_tables) keeps the chains that a text names in a sorted list and walks it from its start
for every line: seconds for 10,000 chains, minutes for 100,000. So texts are small, and what leads to many chains in one
text names them in falling order, where a new one is first.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from sampan.network.proxy.backend import Change, Ports
from sampan.network.proxy.iptables import chains
from sampan.network.proxy.iptables.chains import Entry, Rendering
from sampan.network.proxy.settings import Settings

T = TypeVar("T")
TABLES = ("filter", "nat")
AT_ONCE = 500
"""Services in a text: the kernel looks through every chain that is led to after each text, which wants few of them."""
CHAINS_OF_ONE = 4
"""A service has about so many chains."""
WITHOUT_LIMIT = 1 << 30
"""Services in a text for the legacy programs, which read and write a whole table for each: the fewer the better."""


class Table:
    """Follows our chains; `replace` and `update` return text, one atomic step for each of the tables in it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # Not their renderings: looking through those would stop everything for a second with 30,000 services.
        self._services: dict[str, Ports] = {}
        self._rules: Counter[str] = Counter()
        self._chains = 0
        self._written: dict[str, int] = {}

    def replace(
        self, services: Mapping[str, Ports], existing: Iterable[tuple[str, str]] = (), at_once: int = AT_ONCE
    ) -> list[str]:
        """Texts that make our chains hold exactly `services`; `existing`: (table, chain) of the kernel's; `at_once`:
        services in a text.

        Services' own chains come first, to which nothing new leads before the shared ones do; what nothing leads to
        any more goes last.
        """
        self._services, self._rules, self._chains = dict(services), Counter(), 0
        known = set(existing)
        constant = chains.constant_chains(self._settings)
        wanted, entries, pieces = set(constant), list[Entry](), list[str]()
        for some in batched([*services.items()], at_once):
            text = _Text()
            for service, ports in some:
                one = self._counted(chains.render(service, ports, self._settings))
                for name, rules in one.chains.items():
                    text.chain("nat", name, rules)
                wanted |= {("nat", name) for name in one.chains}
                entries += one.entries
            pieces.append(text.whole())
        absent = _Text()
        for table, chain in constant.keys() - known:
            absent.chain(table, chain, ())
        self._written = self.rule_counts()
        texts = (absent.whole(), *pieces, _shared(constant, entries), *self._deletions(known - wanted, at_once))
        return [text for text in texts if text]

    def _deletions(self, gone: Iterable[tuple[str, str]], at_once: int) -> Iterator[str]:
        """Those chains of ours go, who leads to others before these; what else leads to them must be gone."""
        mine = sorted(chains.ours(gone, self._settings), key=lambda place: chains.leads(place[1]))
        for some in batched(mine, CHAINS_OF_ONE * at_once):
            text = _Text()
            for table, chain in some:
                text.delete(table, chain)
            yield text.whole()

    def update(self, changes: Sequence[Change]) -> str:
        """Text for the differences only; "" when there are none."""
        text = _Text()
        for change in changes:
            held = self._services.pop(change.service, ())
            old = self._counted(chains.render(change.service, held, self._settings), -1)
            new = self._counted(chains.render(change.service, change.new, self._settings))
            if change.new:
                self._services[change.service] = change.new
            for name, rules in new.chains.items():
                if old.chains.get(name) != rules:
                    text.chain("nat", name, rules)
            text.entries("-D", [entry for entry in old.entries if entry not in new.entries])
            text.entries("-I", [entry for entry in new.entries if entry not in old.entries])
            for name in old.chains.keys() - new.chains.keys():
                text.delete("nat", name)
        self._written = text.rules()
        return text.whole()

    def drop(self, existing: Iterable[tuple[str, str]], at_once: int = AT_ONCE) -> list[str]:
        """Texts that delete every chain of ours among those; the rules that lead there from others must be gone."""
        found, text = chains.ours(existing, self._settings), _Text()
        for table, chain in found & chains.constant_chains(self._settings).keys():
            text.chain(table, chain, ())
        return [text.whole(), *self._deletions(found, at_once)] if found else []

    def rule_count(self) -> int:
        """How many rules of ours there are when all is whole, those in the kernel's own chains included."""
        return sum(self.rule_counts().values())

    def rule_counts(self) -> dict[str, int]:
        """By table."""
        counts = Counter(jump.table for jump in chains.JUMPS)
        for (table, _), rules in chains.constant_chains(self._settings).items():
            counts[table] += len(rules)
        return dict(counts + self._rules)

    def _counted(self, one: Rendering, times: int = 1) -> Rendering:
        self._chains += times * len(one.chains)
        self._rules["nat"] += times * sum(map(len, one.chains.values()))
        for entry in one.entries:
            self._rules[entry.table] += times
        return one

    def statistics(self) -> dict[str, Any]:
        return {"tables": self.rule_counts(), "written": dict(self._written), "chains": self._chains}


def batched(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[at : at + size] for at in range(0, len(items), size))


def _shared(constant: Mapping[tuple[str, str], Sequence[str]], entries: Iterable[Entry]) -> str:
    """The chains that lead to services, anew."""
    text = _Text()
    for table, chain in constant:
        text.chain(table, chain, ())
    text.entries("-A", sorted(entries, key=chains.target, reverse=True))
    for (table, chain), rules in constant.items():
        text.entries("-A", [Entry(table, chain, rule) for rule in rules])
    return text.whole()


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

    def rules(self) -> dict[str, int]:
        """How many are added, by table."""
        return {
            table: len(self._rules[table]) + sum(not line.startswith("-D") for line in self._entries[table])
            for table in TABLES
        }

    def whole(self) -> str:
        return "".join(self._table(table) for table in TABLES)

    def _table(self, table: str) -> str:
        lines = [*self._declared[table], *self._rules[table], *self._entries[table], *self._deleted[table]]
        return "\n".join([f"*{table}", *lines, "COMMIT", ""]) if lines else ""
