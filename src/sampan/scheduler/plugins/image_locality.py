"""ImageLocality: prefers nodes that hold the pod's images, by their size and by how many nodes hold them too.

The share of nodes that hold an image damps its weight, so that one node with an image does not draw every pod that
uses it. Sums below 23 MiB score 0, above 1,000 MiB a container 100.
"""

from __future__ import annotations

import numpy as np

from sampan.scheduler.needs import Needs
from sampan.scheduler.nodelabels import Rows
from sampan.scheduler.nodetable import NodeTable
from sampan.scheduler.plugin import HIGHEST, Plugin, Scale, Scores
from sampan.scheduler.records import PodRecord

MIB = 1024 * 1024
LEAST = 23 * MIB
MOST_PER_CONTAINER = 1000 * MIB


class ImageLocality(Plugin):
    name = "ImageLocality"
    weight = 1

    def scorer(self, pod: PodRecord, table: NodeTable) -> ImageLocalityScorer | None:
        return ImageLocalityScorer(pod.needs, table) if pod.needs.images else None


class ImageLocalityScorer:
    scale: Scale = "as is"

    def __init__(self, needs: Needs, table: NodeTable) -> None:
        self._needs = needs
        self._table = table
        self._version = -1
        self._nodes = -1
        self._scores: Scores = np.zeros(0, np.int64)

    def score(self, rows: Rows) -> Scores:
        return self._all()[rows]

    def stamp(self) -> int:
        """Changes when scores of rows that did not change themselves may have."""
        if not any(image in self._table.images for image in self._needs.images):
            return 0
        return hash((self._table.images_version, self._table.count))

    def _all(self) -> Scores:
        table = self._table
        if (table.images_version, table.count, table.capacity) != (self._version, self._nodes, len(self._scores)):
            self._version, self._nodes = table.images_version, table.count
            self._scores = self._computed()
        return self._scores

    def _computed(self) -> Scores:
        sums = np.zeros(self._table.capacity, np.int64)
        for image in self._needs.images:
            held = self._table.images.get(image)
            if held:
                share = len(held) / max(self._table.count, 1)
                sums[list(held)] += (np.array(list(held.values()), np.float64) * share).astype(np.int64)
        most = MOST_PER_CONTAINER * self._needs.containers
        return HIGHEST * (np.clip(sums, LEAST, most) - LEAST) // (most - LEAST)
