"""The shape that all scheduling plugins have.

A plugin may refuse nodes (`check`), prefer some (`scorer`), or both. Either is asked once for a pod and gives back an
object that answers for any set of rows at once, or None when the plugin has nothing to say about this pod. A verdict
on a row may depend on the pod's needs, on the node and on the pods in that row, and is then remembered for all pods
with the same needs until the row changes. A plugin that looks at other rows says so with `elsewhere` and is asked anew
for every pod.

`passes` of a later check is asked about rows that an earlier one refused; its answer there does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from sampan.scheduler.nodelabels import Mask, Rows
from sampan.scheduler.nodetable import NodeTable
from sampan.scheduler.records import PodRecord

Scores = NDArray[np.int64]
Scale = Literal["as is", "up", "down", "own"]
HIGHEST = 100


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why some rows were refused: `where` is a mask over the rows asked about. `resolvable` tells whether removing
    pods from the node could help."""

    message: str
    resolvable: bool
    where: Mask


class Check(Protocol):
    """A filter, ready for one pod."""

    def passes(self, rows: Rows) -> Mask:
        """Which of the rows may have the pod."""
        ...

    def refusals(self, rows: Rows) -> list[Refusal]:
        """Every reason against those rows; a row may have several."""
        ...


class Scorer(Protocol):
    """A score, ready for one pod. `scale` says how raw scores become 0 to 100: they are that already ("as is"), the
    greatest among the feasible rows becomes 100 ("up"), or 0 ("down"), or the scorer does it by itself ("own")."""

    scale: Scale

    def score(self, rows: Rows) -> Scores: ...


class RelativeScorer(Scorer, Protocol):
    """A scorer with scale "own": the only kind that a plugin which looks elsewhere may have."""

    def scaled_score(self, feasible: Mask) -> Scores:
        """0 to 100 for every row, given which rows are feasible."""
        ...


class Plugin:
    """Base of all plugins; `weight` multiplies the score."""

    name: ClassVar[str]
    weight: ClassVar[int] = 0
    elsewhere: ClassVar[bool] = False

    def check(self, pod: PodRecord, table: NodeTable) -> Check | None:
        return None

    def scorer(self, pod: PodRecord, table: NodeTable) -> Scorer | None:
        return None


def scaled(scores: Scores, feasible: Mask, scale: Scale) -> Scores | None:
    """Raw scores of all rows brought to 0..100 by the greatest among the feasible; None when all are the same."""
    greatest = int(scores.max(initial=0, where=feasible))
    if greatest == 0:
        return None
    shares = HIGHEST * scores // greatest
    return HIGHEST - shares if scale == "down" else shares
