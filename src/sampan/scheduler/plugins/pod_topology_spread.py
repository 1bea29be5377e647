"""PodTopologySpread: keeps the pods that a selector matches evenly over zones, nodes, or any other domains.

Hard constraints (DoNotSchedule) refuse a node when its domain, with the pod, would have more than maxSkew pods above
the least of the domains (KEP-895); with fewer domains than minDomains the least counts as 0 (KEP-3022); which nodes
make up the domains is up to nodeAffinityPolicy and nodeTaintsPolicy (KEP-3094). Soft ones make a score of the counts,
weighted by the logarithm of the number of domains. A pod of a controller that has no constraints of its own is spread
softly over nodes and zones among the pods of the same controller.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sampan.api.selectors import NOTHING
from sampan.scheduler.census import Counts, Identity
from sampan.scheduler.nodelabels import Mask, Rows
from sampan.scheduler.nodetable import NodeTable
from sampan.scheduler.plugin import HIGHEST, Plugin, Refusal, Scale, Scores
from sampan.scheduler.plugins.node_affinity import NodeAffinityCheck
from sampan.scheduler.plugins.taint_toleration import TaintTolerationCheck
from sampan.scheduler.records import PodRecord
from sampan.scheduler.terms import SpreadConstraint

MISMATCH = "node(s) didn't match pod topology spread constraints"
NO_LABEL = f"{MISMATCH} (missing required label)"
HOSTNAME = "kubernetes.io/hostname"
ZONE = "topology.kubernetes.io/zone"
SYSTEM_DEFAULTS = tuple(
    SpreadConstraint(
        max_skew=skew,
        topology_key=key,
        hard=False,
        selector=NOTHING,
        min_domains=1,
        honor_affinity=True,
        honor_taints=False,
        of_owner=True,
    )
    for key, skew in ((HOSTNAME, 3), (ZONE, 5))
)


class PodTopologySpread(Plugin):
    name = "PodTopologySpread"
    weight = 2
    elsewhere = True

    def check(self, pod: PodRecord, table: NodeTable) -> PodTopologySpreadCheck | None:
        hard = [c for c in pod.needs.spread if c.hard]
        return PodTopologySpreadCheck(pod, table, hard) if hard else None

    def scorer(self, pod: PodRecord, table: NodeTable) -> PodTopologySpreadScorer | None:
        soft = [c for c in pod.needs.spread if not c.hard]
        if soft or pod.needs.spread or not pod.identity.owner:
            return PodTopologySpreadScorer(pod, table, soft) if soft else None
        return PodTopologySpreadScorer(pod, table, list(SYSTEM_DEFAULTS))


class Domains:
    """The rows that count for constraints, and the pods each constraint is about."""

    def __init__(self, pod: PodRecord, table: NodeTable) -> None:
        self.pod = pod
        self.table = table
        self.all = slice(0, table.height)

    def codes(self, constraint: SpreadConstraint) -> NDArray[np.int32]:
        return self.table.labels.column(constraint.topology_key).codes[self.all]

    def counts(self, constraint: SpreadConstraint) -> Counts:
        census, namespace, selector = self.table.census, self.pod.identity.namespace, constraint.selector
        if constraint.of_owner:
            owner = self.pod.identity.owner
            counted = census.group(("owner", owner), lambda one: one.owner == owner, living_only=True)
            return counted[self.all]

        def matches(one: Identity) -> bool:
            return one.namespace == namespace and not selector.everything and selector.matches(one.labels)

        return census.group(("spread", namespace, selector), matches, living_only=True)[self.all]

    def eligible(self, constraint: SpreadConstraint, labelled: Mask) -> Mask:
        """The rows among `labelled` that the constraint's policies let in."""
        mask = labelled
        needs = self.pod.needs
        if constraint.honor_affinity and (needs.selector or needs.required is not None):
            mask = mask & NodeAffinityCheck(needs, self.table).passes(self.all)
        if constraint.honor_taints:
            mask = mask & TaintTolerationCheck(needs, self.table).passes(self.all)
        return mask

    def labelled(self, constraints: list[SpreadConstraint]) -> Mask:
        """The rows that have the labels of all constraints."""
        mask = self.table.present[self.all]
        for constraint in constraints:
            mask = mask & (self.codes(constraint) > 0)
        return mask


class PodTopologySpreadCheck:
    def __init__(self, pod: PodRecord, table: NodeTable, constraints: list[SpreadConstraint]) -> None:
        self._domains = Domains(pod, table)
        self._constraints = constraints

    def passes(self, rows: Rows) -> Mask:
        labelled = self._domains.labelled(self._constraints)
        mask = labelled
        for constraint in self._constraints:
            mask = mask & self._within(constraint, labelled)
        return mask[rows]

    def refusals(self, rows: Rows) -> list[Refusal]:
        labelled = self._domains.labelled(self._constraints)[rows]
        return [Refusal(NO_LABEL, False, ~labelled), Refusal(MISMATCH, True, labelled & ~self.passes(rows))]

    def _within(self, constraint: SpreadConstraint, labelled: Mask) -> Mask:
        """Where one more pod keeps the domain within maxSkew of the least one."""
        codes = self._domains.codes(constraint)
        eligible = self._domains.eligible(constraint, labelled)
        size = int(codes.max(initial=0)) + 1
        inside = codes[eligible]
        totals = np.bincount(inside, weights=self._domains.counts(constraint)[eligible], minlength=size)
        existing = np.bincount(inside, minlength=size) > 0
        least = totals[existing].min() if existing.sum() >= constraint.min_domains and existing.any() else 0
        itself = constraint.selector.matches(self._domains.pod.identity.labels)
        return totals[codes] + itself - least <= constraint.max_skew


class PodTopologySpreadScorer:
    scale: Scale = "own"

    def __init__(self, pod: PodRecord, table: NodeTable, constraints: list[SpreadConstraint]) -> None:
        self._domains = Domains(pod, table)
        self._constraints = constraints
        self._all_labels = bool(pod.needs.spread)

    def score(self, rows: Rows) -> Scores:
        feasible = self._domains.table.present[self._domains.all]
        return self.scaled_score(feasible)[rows]

    def scaled_score(self, feasible: Mask) -> Scores:
        """0 to 100 for all rows; those that lack a label that is required of them get 0."""
        labelled = self._domains.labelled(self._constraints if self._all_labels else [])
        counted = feasible & labelled
        raw = np.zeros(len(feasible))
        for constraint in self._constraints:
            raw += self._penalty(constraint, labelled, counted)
        rounded = np.floor(raw + 0.5).astype(np.int64)
        most = int(rounded.max(initial=0, where=counted))
        if most == 0:
            return np.where(labelled, HIGHEST, 0)
        least = int(rounded.min(initial=most, where=counted))
        return np.where(labelled, HIGHEST * (most + least - rounded) // most, 0)

    def _penalty(self, constraint: SpreadConstraint, labelled: Mask, counted: Mask) -> Scores:
        codes = self._domains.codes(constraint)
        counts = self._domains.counts(constraint)
        if constraint.topology_key == HOSTNAME:
            domains = int(counted.sum())
            there = counts
        else:
            size = int(codes.max(initial=0)) + 1
            among = np.bincount(codes[counted], minlength=size) > 0
            domains = int(among[1:].sum())
            eligible = self._domains.eligible(constraint, labelled) & among[codes]
            there = np.bincount(codes[eligible], weights=counts[eligible], minlength=size)[codes]
        return np.where(codes > 0, there * math.log(domains + 2) + (constraint.max_skew - 1), 0)
