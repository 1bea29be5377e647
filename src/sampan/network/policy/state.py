"""What the table must hold, and the nft text that takes it there. No I/O.

An event moves only what hangs on it: a pod the elements of the sets that it is in, a policy the chains of the pods here
that it selects. What came up since the last text is in a journal (key -> what was there before), so that changes that
undo each other cost nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from sampan.network.policy import table
from sampan.network.policy.groups import Labels, Members, Pod, digest, version
from sampan.network.policy.rules import EGRESS, INGRESS, Policy


class Element(NamedTuple):
    """Of a set, or of a map when it has a verdict."""

    set: str
    key: str


class PolicyState:
    """`node`: its pods are the ones guarded here."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._pods: dict[str, Pod] = {}
        self._by_namespace: dict[str, set[str]] = defaultdict(set)
        self._namespaces: dict[str, Labels] = {}
        self._policies: dict[str, Policy] = {}
        self._members: Counter[Members] = Counter()
        self._counts: Counter[Element] = Counter()
        self._verdicts: dict[Element, str] = {}
        self._chains: dict[str, tuple[str, ...]] = {}
        self._held: dict[str, list[Element]] = {}
        self._stale: set[str] = set()
        self._journal: dict[Element, str | None] = {}
        self._known_chains: set[str] = set()
        self._known_sets: set[str] = set()

    @property
    def empty(self) -> bool:
        """Whether no policy asks for anything."""
        return not self._policies

    def set_policy(self, key: str, policy: Policy | None) -> None:
        old = self._policies.pop(key, None)
        if policy is not None:
            self._policies[key] = policy
        self._use(policy.members if policy else frozenset(), 1)
        self._use(old.members if old else frozenset(), -1)
        for subjects in {each.subjects for each in (old, policy) if each}:
            self._stale |= {name for name in self._by_namespace[subjects.namespace] if self._here(name)}

    def set_pod(self, key: str, pod: Pod | None) -> None:
        old = self._pods.get(key)
        if old == pod:
            return
        if old is not None:
            self._count(old, self._members, -1)
            self._by_namespace[old.namespace].discard(key)
            del self._pods[key]
        if pod is not None:
            self._pods[key] = pod
            self._by_namespace[pod.namespace].add(key)
            self._count(pod, self._members, 1)
        if self._node in (old.node if old else "", pod.node if pod else ""):
            self._stale.add(key)

    def set_namespace(self, name: str, labels: Labels | None) -> None:
        if labels == self._namespaces.get(name):
            return
        inside = [self._pods[key] for key in self._by_namespace[name]]
        for pod in inside:
            self._count(pod, self._members, -1)
        if labels is None:
            del self._namespaces[name]
        else:
            self._namespaces[name] = dict(labels)
        for pod in inside:
            self._count(pod, self._members, 1)

    def update(self) -> str:
        """Text for the differences since the last text; "" when there are none."""
        self._settle()
        sets, chains = self._set_names(), self._used_chains()
        gone, come = self._differences()
        lines = [*table.sets(sets - self._known_sets), *self._chain_texts(chains - self._known_chains)]
        lines += [*self._commands("delete", gone, self._known_sets & sets), *self._commands("add", come, sets)]
        lines += table.removals("chain", self._known_chains - chains)
        lines += table.removals("set", self._known_sets - sets)
        self._settled(sets, chains)
        return "\n".join([*lines, ""]) if lines else ""

    def replace(self) -> str:
        """Text that makes the table hold exactly this, whatever it holds now; without a policy there is no table."""
        self._settle()
        sets, chains = self._set_names(), self._used_chains()
        self._settled(sets, chains)
        if self.empty:
            return table.DROP
        elements = {**dict.fromkeys(self._counts, ""), **self._verdicts}
        body = [*table.sets(sets), *self._chain_texts(chains)]
        return "\n".join([table.DROP, table.CREATE, table.SKELETON, *body, *self._commands("add", elements, sets), ""])

    def rule_counts(self) -> dict[str, int]:
        """How many rules each chain has when the table is whole."""
        if self.empty:
            return {}
        return table.BASE_RULES | {name: len(self._chains[name]) for name in self._known_chains}

    def element_counts(self) -> Counter[str]:
        """How many elements each set and map has when the table is whole."""
        return Counter(element.set for element in (*self._counts, *self._verdicts))

    def statistics(self) -> dict[str, int]:
        return {
            "policies": len(self._policies),
            "pods": len(self._pods),
            "isolated": len(self._held),
            "chains": len(self._known_chains),
            "sets": len(self._known_sets),
            "elements": len(self._counts) + len(self._verdicts),
        }

    def _here(self, key: str) -> bool:
        return self._pods[key].node == self._node

    def _use(self, members: Iterable[Members], by: int) -> None:
        """One more, or one less, policy speaks of those."""
        for each in members:
            before, self._members[each] = self._members[each], self._members[each] + by
            if not before or not self._members[each]:
                for pod in self._pods.values():
                    self._count(pod, (each,), by)
            if not self._members[each]:
                del self._members[each]

    def _count(self, pod: Pod, members: Iterable[Members], by: int) -> None:
        labels = self._namespaces.get(pod.namespace, {})
        for each in members:
            if each.has(pod, labels):
                for name, key in each.elements(pod):
                    self._count_element(Element(name, key), by)

    def _count_element(self, element: Element, by: int) -> None:
        self._journal.setdefault(element, "" if self._counts[element] else None)
        self._counts[element] += by
        if not self._counts[element]:
            del self._counts[element]

    def _settle(self) -> None:
        """Works out anew what the pods here that something has happened to are held to."""
        for key in self._stale:
            for element in self._held.pop(key, ()):
                self._journal.setdefault(element, self._verdicts.get(element))
                self._verdicts.pop(element, None)
        for key in self._stale:
            pod = self._pods.get(key)
            if pod is not None and pod.node == self._node:
                self._hold(key, pod)
        self._stale.clear()

    def _hold(self, key: str, pod: Pod) -> None:
        wanted = dict(self._verdicts_of(pod))
        for element, verdict in wanted.items():
            self._journal.setdefault(element, self._verdicts.get(element))
            self._verdicts[element] = verdict
        if wanted:
            self._held[key] = list(wanted)

    def _verdicts_of(self, pod: Pod) -> Iterator[tuple[Element, str]]:
        selecting = [self._policies[key] for key in sorted(self._policies)]
        selecting = [each for each in selecting if each.subjects.has(pod, {})]
        for direction in (INGRESS, EGRESS):
            chosen = [each.rules[direction] for each in selecting if direction in each.rules]
            if chosen:
                verdict = f"jump {self._chain(direction, chosen)}"
                for address in pod.addresses:
                    yield Element(f"{direction.lower()}-{version(address)}", address), verdict
        if selecting:
            for address in pod.addresses:
                yield Element(f"itself-{version(address)}", f"{address} . {address}"), ""

    def _chain(self, direction: str, chosen: Iterable[tuple[str, ...]]) -> str:
        """The chain for a pod to which these rules apply; equal ones share it."""
        rules = (*dict.fromkeys(rule for policy in chosen for rule in policy), "drop")
        name = f"{direction.lower()}-{digest(rules)}"
        self._chains[name] = rules
        return name

    def _used_chains(self) -> set[str]:
        return {verdict.removeprefix("jump ") for verdict in self._verdicts.values() if verdict}

    def _set_names(self) -> set[str]:
        return {f"{each.set_name}-{family}" for each in self._members for family in "46"}

    def _settled(self, sets: set[str], chains: set[str]) -> None:
        self._known_sets, self._known_chains = sets, chains
        self._chains = {name: rules for name, rules in self._chains.items() if name in chains}
        self._journal.clear()

    def _differences(self) -> tuple[dict[Element, str], dict[Element, str]]:
        """What to delete and what to add: a changed verdict is both."""
        gone, come = {}, {}
        for element, before in self._journal.items():
            now = self._verdicts.get(element, "" if element in self._counts else None)
            if now != before:
                if before is not None:
                    gone[element] = before
                if now is not None:
                    come[element] = now
        return gone, come

    def _chain_texts(self, names: Iterable[str]) -> list[str]:
        return [table.chain(name, self._chains[name]) for name in sorted(names)]

    def _commands(self, verb: str, elements: Mapping[Element, str], sets: set[str]) -> list[str]:
        """Elements of sets that come and go as a whole are left to that."""
        by_set: dict[str, list[str]] = defaultdict(list)
        for (name, key), verdict in elements.items():
            if name in sets or name in table.MAPS:
                by_set[name].append(f"{key} : {verdict}" if verdict and verb == "add" else key)
        return [table.elements(verb, name, keys) for name, keys in sorted(by_set.items())]
