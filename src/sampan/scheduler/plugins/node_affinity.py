"""NodeAffinity: nodeSelector and required node affinity must hold; preferred terms add their weights.

The terms of the required affinity are alternatives, the requirements in a term hold together (API reference,
NodeSelector). `matchFields` knows one field, metadata.name.
"""

from __future__ import annotations

import numpy as np

from sampan.scheduler.needs import Needs, Requirement, Term
from sampan.scheduler.nodelabels import OPERATORS, Mask, Rows
from sampan.scheduler.nodetable import NodeTable
from sampan.scheduler.plugin import Plugin, Refusal, Scale, Scores
from sampan.scheduler.records import PodRecord

MESSAGE = "node(s) didn't match Pod's node affinity/selector"


class NodeAffinity(Plugin):
    name = "NodeAffinity"
    weight = 2

    def check(self, pod: PodRecord, table: NodeTable) -> NodeAffinityCheck | None:
        needs = pod.needs
        return NodeAffinityCheck(needs, table) if needs.selector or needs.required is not None else None

    def scorer(self, pod: PodRecord, table: NodeTable) -> NodeAffinityScorer | None:
        return NodeAffinityScorer(pod.needs, table) if pod.needs.preferred else None


class NodeAffinityCheck:
    def __init__(self, needs: Needs, table: NodeTable) -> None:
        self._needs = needs
        self._table = table

    def passes(self, rows: Rows) -> Mask:
        mask = matches(self._needs.selector, self._table, rows)
        if self._needs.required is None:
            return mask
        some = np.zeros(len(mask), np.bool_)
        for term in self._needs.required:
            some |= matches(term, self._table, rows)
        return mask & some

    def refusals(self, rows: Rows) -> list[Refusal]:
        return [Refusal(MESSAGE, False, ~self.passes(rows))]


class NodeAffinityScorer:
    scale: Scale = "up"

    def __init__(self, needs: Needs, table: NodeTable) -> None:
        self._needs = needs
        self._table = table

    def score(self, rows: Rows) -> Scores:
        total = np.zeros(len(self._table.present[rows]), np.int64)
        for weight, term in self._needs.preferred:
            total += weight * matches(term, self._table, rows)
        return total


def matches(term: Term, table: NodeTable, rows: Rows) -> Mask:
    """The rows for which every requirement of the term holds."""
    mask = np.ones(len(table.present[rows]), np.bool_)
    for requirement in term:
        mask &= _named(requirement, table, rows) if requirement.field else _labelled(requirement, table, rows)
    return mask


def _labelled(requirement: Requirement, table: NodeTable, rows: Rows) -> Mask:
    return OPERATORS[requirement.operator](table.labels.column(requirement.key), requirement.values, rows)


def _named(requirement: Requirement, table: NodeTable, rows: Rows) -> Mask:
    if requirement.key != "metadata.name":
        return np.zeros(len(table.present[rows]), np.bool_)
    named = np.zeros(table.capacity, np.bool_)
    named[[row for row in map(table.row, requirement.values) if row >= 0]] = True
    return named[rows] if requirement.operator == "In" else ~named[rows]
