"""Which devices a container gets: pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet


class NotEnough(Exception):
    """There are fewer devices free than are asked for; the message is upstream's."""


def chosen(
    resource: str,
    count: int,
    *,
    free: Iterable[str],
    reused: Sequence[str] = (),
    preferred: Sequence[str] = (),
    nodes: Mapping[str, AbstractSet[int]] | None = None,
    affinity: AbstractSet[int] = frozenset(),
) -> list[str]:
    """`count` device ids: first those the pod's init containers had (`reused`), then what the plugin prefers, then
    those near the NUMA nodes of `affinity` (`nodes` says where each device is), then any in their order.

    Raises NotEnough.
    """
    left = set(free)
    if len(left | set(reused)) < count:
        raise NotEnough(
            f"requested number of devices unavailable for {resource}. Requested: {count}, Available: {len(left)}"
        )
    where = nodes or {}

    def near(device: str) -> bool:
        return not affinity or not where.get(device) or bool(where[device] & affinity)

    order = [*reused, *(d for d in preferred if d in left), *sorted(left, key=lambda d: (not near(d), d))]
    return list(dict.fromkeys(order))[:count]
