"""What a change does to who owns what.

Whoever changes a field owns it; whoever owned it before does no longer, and nobody owns what is gone. An applier owns
what it states whether it changes it or not, and may not change what another owns unless it insists.

Some paths are never owned: those that identify the object or that the server alone sets (STRIPPED), and those that the
endpoint resets anyway (`reset`), such as the status on the way through an object's own endpoint.
"""

from __future__ import annotations

from functools import cache

from sampan.api import strategy
from sampan.api.registry import Kind
from sampan.api.strategy.habits import RESERVED, keep_all, keep_labels
from sampan.codec.apply.compare import Comparison, compare
from sampan.codec.apply.fieldset import LEAF, Tree, difference, intersection, union
from sampan.codec.apply.managers import Owned, Owner, State
from sampan.codec.apply.stripped import STRIPPED
from sampan.codec.apply.versions import View, kind_at, shape

COMMON = ("kind", "apiVersion", "metadata", "status")


@cache
def reset(kind: Kind, subresource: str) -> Tree:
    """The paths that this endpoint brings back to what they were."""
    habits, names = strategy.of(kind), kind.struct.__struct_fields__
    if subresource in habits.resets:
        return habits.resets[subresource]
    if subresource == "status":
        paths: Tree = {f"f:{n}": LEAF for n in names if n not in COMMON}
        if habits.status_metadata is not keep_all:
            kept = ("labels",) if habits.status_metadata is keep_labels else RESERVED
            paths["f:metadata"] = {f"f:{n}": LEAF for n in kept}
        return paths
    if subresource or "status" not in kind.subresources:
        return {}
    return {"f:status": LEAF}


class Change:
    """The difference between two views of an object, in each version that is asked for."""

    def __init__(self, kind: Kind, before: View, after: View, ignored: Tree) -> None:
        self._kind = kind
        self._before = before
        self._after = after
        self._ignored = ignored
        self._found: dict[str, Comparison | None] = {}

    def at(self, api_version: str) -> Comparison | None:
        """None when the kind is not served in that version."""
        if api_version not in self._found:
            self._found[api_version] = self._compare(api_version)
        return self._found[api_version]

    def _compare(self, api_version: str) -> Comparison | None:
        kind = kind_at(self._kind, api_version)
        old, new = self._before.at(api_version), self._after.at(api_version)
        if kind is None or old is None or new is None:
            return None
        return compare(old, new, shape(kind)).excluding(self._ignored)


def contested(state: State, change: Change, who: Owner) -> dict[Owner, Tree]:
    """What others own of what changes."""
    found = {}
    for other, owned in state.items():
        comparison = change.at(owned.version) if other != who else None
        if comparison is not None and (paths := intersection(owned.fields, comparison.changed)):
            found[other] = paths
    return found


def disown(state: State, change: Change, who: Owner | None) -> None:
    """Takes from all but `who`, in place, what changes and what is gone; entries in a version no longer served go."""
    for other in [o for o in state if o != who]:
        owned = state[other]
        comparison = change.at(owned.version)
        rest: Tree = {}
        if comparison is not None:
            rest = difference(difference(owned.fields, comparison.changed), comparison.removed)
        if not rest:
            del state[other]
        elif rest != owned.fields:
            owned.fields = rest


def update(state: State, change: Change, who: Owner, time: str | None, version: str) -> None:
    """An update by `who`, who comes to own what changes; in place."""
    comparison = change.at(version)
    own = difference(comparison.changed, STRIPPED) if comparison else {}
    disown(state, change, None)
    if own:
        previous = state.get(who)
        state[who] = Owned(union(own, previous.fields) if previous else own, version, time)
