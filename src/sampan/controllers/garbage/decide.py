"""What follows for one object from the state of its owners and dependents. Pure.

                        an owner stands    no owner stands
none waits              keep, drop the     delete (background, or as its own finalizers say)
                        references to
                        owners gone
one waits for it        same               delete; in the foreground when it has dependents itself
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from sampan.client.interface import Propagation
from sampan.controllers.garbage.facts import FOREGROUND, ORPHAN, Facts, Owner


class State(Enum):
    """Of an owner: it stands, it waits for its dependents to go, or it is gone."""

    STANDS = "stands"
    WAITS = "waits"
    GONE = "gone"


@dataclass(frozen=True)
class Verdict:
    """At most one of: drop the references to these owners; delete in this manner (first cutting a cycle of objects
    that wait for each other by unblocking it); cut dependents loose; remove this finalizer."""

    drop: frozenset[str] = frozenset()
    delete: Propagation | None = None
    unblock: bool = False
    orphan: Sequence[Facts] = ()
    finish: str | None = None


NOTHING = Verdict()


def owned(item: Facts, states: Sequence[tuple[Owner, State]], dependents: Sequence[Facts]) -> Verdict:
    """For an object that is not being deleted."""
    if not states:
        return NOTHING
    lost = frozenset(owner.uid for owner, state in states if state is not State.STANDS)
    if any(state is State.STANDS for _, state in states):
        return Verdict(drop=lost)
    if any(state is State.WAITS for _, state in states) and dependents:
        return Verdict(delete="Foreground", unblock=any(one.waits for one in dependents))
    if ORPHAN in item.finalizers:
        return Verdict(delete="Orphan")
    return Verdict(delete="Foreground" if FOREGROUND in item.finalizers else "Background")


def going(item: Facts, dependents: Sequence[Facts]) -> Verdict:
    """For an object that is being deleted."""
    if ORPHAN in item.finalizers:
        return Verdict(orphan=dependents, finish=ORPHAN)
    if not item.waits:
        return NOTHING
    blocking = [one for one in dependents if any(owner.uid == item.uid and owner.blocks for owner in one.owners)]
    return NOTHING if blocking else Verdict(finish=FOREGROUND)
