"""InterPodAffinity: pods that must, must not or would rather run in one domain with certain other pods.

Three rules refuse a node: a required affinity term of the pod that no pod in the domain meets; an anti-affinity term of
the pod that some pod there meets; and an anti-affinity term that a pod there carries and this pod meets. The first of
a group that wants its own kind may go anywhere. Preferences count the same way, with weights, in both directions;
required affinity carried by running pods counts as a preference of weight 1 (upstream's hardPodAffinityWeight).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from sampan.scheduler.census import Carried, Counts
from sampan.scheduler.nodelabels import Mask, Rows
from sampan.scheduler.nodetable import NodeTable
from sampan.scheduler.plugin import HIGHEST, Plugin, Refusal, Scale, Scores
from sampan.scheduler.records import PodRecord

AFFINITY = "node(s) didn't match pod affinity rules"
ANTI_AFFINITY = "node(s) didn't match pod anti-affinity rules"
EXISTING = "node(s) didn't satisfy existing pods anti-affinity rules"


class InterPodAffinity(Plugin):
    name = "InterPodAffinity"
    weight = 2
    elsewhere = True

    def check(self, pod: PodRecord, table: NodeTable) -> InterPodAffinityCheck | None:
        carried = [c for c in table.census.about(pod.identity) if c[0] == "anti"]
        needs = pod.needs
        return InterPodAffinityCheck(pod, table, carried) if carried or needs.affinity or needs.anti_affinity else None

    def scorer(self, pod: PodRecord, table: NodeTable) -> InterPodAffinityScorer | None:
        carried = [c for c in table.census.about(pod.identity) if c[0] != "anti"]
        return InterPodAffinityScorer(pod, table, carried) if carried or pod.needs.preferred_pods else None


def by_domain(table: NodeTable, key: str, counts: Counts) -> Scores:
    """For each row the sum of the counts in its domain, 0 where it has none."""
    codes = table.labels.column(key).codes[: table.height]
    totals = np.bincount(codes, weights=counts[: table.height])
    totals[0] = 0
    return totals[codes].astype(np.int64)


class InterPodAffinityCheck:
    def __init__(self, pod: PodRecord, table: NodeTable, carried: list[Carried]) -> None:
        self._pod = pod
        self._table = table
        self._carried = carried

    def passes(self, rows: Rows) -> Mask:
        return (self._affinity() & self._anti_affinity() & self._existing())[rows]

    def refusals(self, rows: Rows) -> list[Refusal]:
        affinity = self._affinity()[rows]
        anti = self._anti_affinity()[rows]
        return [
            Refusal(AFFINITY, False, ~affinity),
            Refusal(ANTI_AFFINITY, True, affinity & ~anti),
            Refusal(EXISTING, True, affinity & anti & ~self._existing()[rows]),
        ]

    def _affinity(self) -> Mask:
        """Where every required term is met by pods that meet them all, or where the pod may be the first of them."""
        table, terms = self._table, self._pod.needs.affinity
        mask = np.ones(table.height, np.bool_)
        if not terms:
            return mask
        census = table.census
        counts = census.group(
            ("all of", terms), lambda one: all(census.means(term, one) for term in terms), living_only=False
        )
        labelled = mask.copy()
        somewhere = False
        for term in terms:
            there = by_domain(table, term.topology_key, counts)
            labelled &= table.labels.column(term.topology_key).codes[: table.height] > 0
            mask &= there > 0
            somewhere |= bool(there.any())
        first = not somewhere and all(census.means(term, self._pod.identity) for term in terms)
        return labelled if first else mask & labelled

    def _anti_affinity(self) -> Mask:
        terms = self._pod.needs.anti_affinity
        return self._none_of((term.topology_key, self._table.census.matching(term)) for term in terms)

    def _existing(self) -> Mask:
        carriers = self._table.census.carriers
        return self._none_of((c[2].topology_key, carriers[c]) for c in self._carried if c in carriers)

    def _none_of(self, counted: Iterable[tuple[str, Counts]]) -> Mask:
        mask = np.ones(self._table.height, np.bool_)
        for key, counts in counted:
            mask &= by_domain(self._table, key, counts) == 0
        return mask


class InterPodAffinityScorer:
    scale: Scale = "own"

    def __init__(self, pod: PodRecord, table: NodeTable, carried: list[Carried]) -> None:
        self._pod = pod
        self._table = table
        self._carried = carried

    def score(self, rows: Rows) -> Scores:
        return self.scaled_score(self._table.present[: self._table.height])[rows]

    def scaled_score(self, feasible: Mask) -> Scores:
        """0 to 100 for all rows, between the least and the greatest sum of weights among the feasible."""
        raw = self._raw()
        if not feasible.any():
            return np.zeros(len(raw), np.int64)
        least, most = int(raw[feasible].min()), int(raw[feasible].max())
        if most == least:
            return np.zeros(len(raw), np.int64)
        return (HIGHEST * ((raw - least) / (most - least))).astype(np.int64)

    def _raw(self) -> Scores:
        table = self._table
        raw = np.zeros(table.height, np.int64)
        for weight, term in self._pod.needs.preferred_pods:
            raw += weight * by_domain(table, term.topology_key, table.census.matching(term))
        for carried in self._carried:
            counts = table.census.carriers.get(carried)
            if counts is not None:
                raw += carried[1] * by_domain(table, carried[2].topology_key, counts)
        return raw
