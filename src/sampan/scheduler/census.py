"""How many pods of which kind run in each row: what rules about other pods are decided by.

Pods with the same namespace, labels and controller are of one `Identity`. A rule that counts pods (a selector in some
namespaces) becomes a `Group`: an array of counts by row, filled once from the identities it matches and kept current by
each pod that comes or goes. So a decision reads counts and never visits pods. The same holds the other way round:
`carriers` counts, for each affinity term that running pods bring along, the pods in each row that carry it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sampan.scheduler.needs import Needs
from sampan.scheduler.terms import PodTerm

Counts = NDArray[np.int64]
Matches = Callable[["Identity"], bool]
Carried = tuple[str, int, PodTerm]
"""A term that running pods carry: its part ("anti", "required", "preferred"), its weight, the term."""

GROUPS = 256
"""Groups kept; the least recently used one beyond that is dropped and filled anew when asked for again."""


@dataclass(slots=True, eq=False)
class Identity:
    """Pods that no rule about pods can tell apart. `rows` has [all, not terminating] by row, `groups` those that count
    such pods, `spoken` the carried terms that speak of them, with the version of the terms they were found at."""

    namespace: str
    labels: dict[str, str]
    owner: str
    key: Hashable
    rows: dict[int, list[int]] = field(default_factory=dict)
    members: int = 0
    groups: list[Group] = field(default_factory=list)
    spoken: tuple[int, list[Carried]] = (-1, [])


@dataclass(slots=True, eq=False)
class Group:
    matches: Matches
    counts: Counts
    living_only: bool


class Census:
    def __init__(self, capacity: int = 0) -> None:
        self.capacity = capacity
        self.namespaces: dict[str, dict[str, str]] = {}
        self.carriers: dict[Carried, Counts] = {}
        self._identities: dict[Hashable, Identity] = {}
        self._groups: OrderedDict[Hashable, Group] = OrderedDict()
        self._carrying: dict[Carried, int] = {}
        self._terms_version = 0

    def grow(self, capacity: int) -> None:
        more = capacity - self.capacity
        for group in self._groups.values():
            group.counts = np.concatenate([group.counts, np.zeros(more, np.int64)])
        self.carriers = {t: np.concatenate([c, np.zeros(more, np.int64)]) for t, c in self.carriers.items()}
        self.capacity = capacity

    def identity(self, namespace: str, labels: dict[str, str] | None, owner: str) -> Identity:
        """The identity of such a pod, of which there is one more; pair with `leave`."""
        key = (namespace, frozenset(labels.items()) if labels else frozenset(), owner)
        identity = self._identities.get(key)
        if identity is None:
            identity = self._identities[key] = Identity(namespace, labels or {}, owner, key)
            identity.groups = [group for group in self._groups.values() if group.matches(identity)]
        identity.members += 1
        return identity

    def leave(self, identity: Identity) -> None:
        identity.members -= 1
        if not identity.members:
            self._identities.pop(identity.key, None)

    def count(self, identity: Identity, needs: Needs, row: int, change: int, living: bool) -> None:
        """One pod more (change 1) or less (-1) in a row."""
        tally = identity.rows.setdefault(row, [0, 0])
        tally[0] += change
        tally[1] += change * living
        if not tally[0]:
            del identity.rows[row]
        for group in identity.groups:
            if living or not group.living_only:
                group.counts[row] += change
        if needs.anti_affinity or needs.affinity or needs.preferred_pods:
            self._carry(needs, row, change)

    def retire(self, identity: Identity, row: int) -> None:
        """A pod in the row has begun to terminate."""
        identity.rows[row][1] -= 1
        for group in identity.groups:
            if group.living_only:
                group.counts[row] -= 1

    def group(self, key: Hashable, matches: Matches, *, living_only: bool) -> Counts:
        """Counts by row of the pods whose identity `matches`; `key` says which rule it is."""
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = self._filled(matches, living_only)
            if len(self._groups) > GROUPS:
                self._drop(next(iter(self._groups)))
        else:
            self._groups.move_to_end(key)
        return group.counts

    def matching(self, term: PodTerm) -> Counts:
        """Counts by row of the pods that an affinity term means, terminating ones included."""
        return self.group(term, lambda identity: self.means(term, identity), living_only=False)

    def means(self, term: PodTerm, identity: Identity) -> bool:
        """Whether an affinity term speaks of such pods."""
        return self._in_namespaces(term, identity.namespace) and term.selector.matches(identity.labels)

    def about(self, identity: Identity) -> list[Carried]:
        """The terms carried by running pods that speak of such pods."""
        if identity.spoken[0] != self._terms_version:
            found = [carried for carried in self.carriers if self.means(carried[2], identity)]
            identity.spoken = (self._terms_version, found)
        return identity.spoken[1]

    def set_namespace(self, name: str, labels: dict[str, str] | None) -> None:
        """Takes a namespace's labels, None when it is gone; counts that depend on them are filled anew."""
        if self.namespaces.get(name) == labels:
            return
        if labels is None:
            self.namespaces.pop(name, None)
        else:
            self.namespaces[name] = labels
        self._terms_version += 1
        for key in list(self._groups):
            self._drop(key)

    def _in_namespaces(self, term: PodTerm, namespace: str) -> bool:
        if namespace in term.namespaces or term.namespace_selector.everything:
            return True
        return term.namespace_selector.matches(self.namespaces.get(namespace, {}))

    def _filled(self, matches: Matches, living_only: bool) -> Group:
        group = Group(matches, np.zeros(self.capacity, np.int64), living_only)
        for identity in self._identities.values():
            if matches(identity):
                identity.groups.append(group)
                for row, tally in identity.rows.items():
                    group.counts[row] += tally[living_only]
        return group

    def _drop(self, key: Hashable) -> None:
        group = self._groups.pop(key)
        for identity in self._identities.values():
            if group in identity.groups:
                identity.groups.remove(group)

    def _carry(self, needs: Needs, row: int, change: int) -> None:
        for carried in carried_terms(needs):
            counts = self.carriers.get(carried)
            if counts is None:
                counts = self.carriers[carried] = np.zeros(self.capacity, np.int64)
                self._terms_version += 1
            counts[row] += change
            self._carrying[carried] = total = self._carrying.get(carried, 0) + change
            if not total:
                del self.carriers[carried], self._carrying[carried]
                self._terms_version += 1


def carried_terms(needs: Needs) -> list[Carried]:
    """The terms a pod brings along to where it runs."""
    anti = [("anti", 1, term) for term in needs.anti_affinity]
    required = [("required", 1, term) for term in needs.affinity]
    return [*anti, *required, *(("preferred", weight, term) for weight, term in needs.preferred_pods)]
