"""NodeUnschedulable: a cordoned node (spec.unschedulable) takes only pods that tolerate the taint of that name."""

from __future__ import annotations

from sampan.scheduler.nodelabels import Mask, Rows
from sampan.scheduler.nodetable import NodeTable
from sampan.scheduler.plugin import Plugin, Refusal
from sampan.scheduler.records import PodRecord

TAINT = "node.kubernetes.io/unschedulable"
MESSAGE = "node(s) were unschedulable"


class NodeUnschedulable(Plugin):
    name = "NodeUnschedulable"

    def check(self, pod: PodRecord, table: NodeTable) -> NodeUnschedulableCheck | None:
        return None if pod.needs.tolerates(TAINT, "", "NoSchedule") else NodeUnschedulableCheck(table)


class NodeUnschedulableCheck:
    def __init__(self, table: NodeTable) -> None:
        self._table = table

    def passes(self, rows: Rows) -> Mask:
        return ~self._table.unschedulable[rows]

    def refusals(self, rows: Rows) -> list[Refusal]:
        return [Refusal(MESSAGE, False, ~self.passes(rows))]
