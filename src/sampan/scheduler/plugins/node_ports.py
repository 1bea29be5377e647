"""NodePorts: a host port (address, protocol, number) is held by one pod a node; 0.0.0.0 stands for every address."""

from __future__ import annotations

import numpy as np

from sampan.scheduler.needs import HostPort, Needs
from sampan.scheduler.nodelabels import Mask, Rows
from sampan.scheduler.nodetable import NodeTable
from sampan.scheduler.plugin import Plugin, Refusal
from sampan.scheduler.records import PodRecord

MESSAGE = "node(s) didn't have free ports for the requested pod ports"
EVERY_ADDRESS = "0.0.0.0"
FEW = 8


class NodePorts(Plugin):
    name = "NodePorts"

    def check(self, pod: PodRecord, table: NodeTable) -> NodePortsCheck | None:
        return NodePortsCheck(pod.needs, table) if pod.needs.ports else None


class NodePortsCheck:
    def __init__(self, needs: Needs, table: NodeTable) -> None:
        self._ports = needs.ports
        self._table = table

    def passes(self, rows: Rows) -> Mask:
        few = range(rows.start, rows.stop) if isinstance(rows, slice) else rows
        if len(few) <= FEW:
            return np.array([not any(self._held(port, int(row)) for port in self._ports) for row in few], np.bool_)
        taken = np.zeros(self._table.capacity, np.bool_)
        for port in self._ports:
            for row in self._table.ports.get(port[1:], ()):
                taken[row] |= self._held(port, row)
        return ~taken[rows]

    def refusals(self, rows: Rows) -> list[Refusal]:
        return [Refusal(MESSAGE, True, ~self.passes(rows))]

    def _held(self, port: HostPort, row: int) -> bool:
        address = port[0]
        used = self._table.ports.get(port[1:], {}).get(row)
        return used is not None and (address == EVERY_ADDRESS or EVERY_ADDRESS in used or address in used)
