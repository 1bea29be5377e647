"""Where a container's processors and devices shall lie together: pure ("Topology Management Policies on a node").

Each provider names the sets of NUMA nodes it could serve from, the smallest being preferred; the merged hint is the
narrowest set that all can serve from, a preferred one before any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, product
from typing import NamedTuple

MOST_NODES = 8
"""Upstream's limit: the combinations grow with its power."""


class Hint(NamedTuple):
    nodes: frozenset[int]
    preferred: bool


def hints(count: int, per_node: Mapping[int, int], whole: Mapping[int, int]) -> list[Hint]:
    """For `count` pieces of which each node has `per_node` free and `whole` in all."""
    nodes = sorted(whole)[:MOST_NODES]
    sets = [frozenset(c) for size in range(1, len(nodes) + 1) for c in combinations(nodes, size)]
    least = min((len(s) for s in sets if sum(whole[n] for n in s) >= count), default=0)
    fitting = [s for s in sets if sum(per_node.get(n, 0) for n in s) >= count]
    return [Hint(s, len(s) == least) for s in fitting]


def merged(providers: Sequence[Iterable[Hint]], nodes: Iterable[int]) -> Hint:
    """The best hint for all providers together; every node, preferred, when none has a wish."""
    everywhere = frozenset(nodes)
    best = Hint(everywhere, not providers)
    for choice in product(*(list(p) or [Hint(everywhere, False)] for p in providers)):
        common = everywhere.intersection(*(hint.nodes for hint in choice)) if choice else everywhere
        found = Hint(common, bool(choice) and all(hint.preferred for hint in choice))
        if common and (found.preferred, -len(common), [-n for n in sorted(common)]) > (
            best.preferred,
            -len(best.nodes),
            [-n for n in sorted(best.nodes)],
        ):
            best = found
    return best


def admitted(policy: str, hint: Hint) -> bool:
    """Whether the node takes a container whose best hint is this."""
    if policy == "restricted":
        return hint.preferred
    return policy != "single-numa-node" or (hint.preferred and len(hint.nodes) == 1)
