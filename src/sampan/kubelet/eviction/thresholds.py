"""Eviction thresholds: read from the configuration, and held against what was observed. Pure.

A threshold is a signal and an amount, a quantity or a percentage of the capacity; it is met when less is left. A hard
one acts at once, a soft one when it has been met for its grace. Once met, it stays so until `minReclaim` more is left
("Node-pressure Eviction", eviction thresholds).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sampan.api import quantity
from sampan.kubelet.eviction.signals import SIGNALS, Observation

MEMORY, MEMORY_OF_PODS = "memory.available", "allocatableMemory.available"


class BadThreshold(ValueError):
    """The configuration names a signal or an amount that there is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """`value` and `reclaim` are written as in the configuration; `grace` in seconds, None for a hard threshold."""

    signal: str
    value: str
    reclaim: str = "0"
    grace: float | None = None

    def met(self, seen: Observation, *, reclaim: bool = False) -> bool:
        """Whether less is left than the threshold; with `reclaim`, than what is to be left once it was met."""
        least = amount_of(self.value, seen.capacity)
        if reclaim:
            least += amount_of(self.reclaim, seen.capacity)
        return seen.available < least


def amount_of(text: str, capacity: int) -> int:
    """A quantity, or a percentage of the capacity, in whole units; raises BadThreshold."""
    if text.endswith("%"):
        try:
            percent = float(text[:-1])
        except ValueError:
            percent = -1.0
        if not 0 <= percent <= 100:
            raise BadThreshold(f"{text!r} is no percentage from 0% to 100%")
        return int(capacity * percent / 100)
    try:
        amount = quantity.units(text)
    except quantity.QuantityError:
        raise BadThreshold(f"{text!r} is neither a quantity nor a percentage") from None
    if amount < 0:
        raise BadThreshold(f"{text!r} is below zero")
    return amount


def thresholds(
    hard: Mapping[str, str],
    soft: Mapping[str, str],
    soft_grace: Mapping[str, float],
    reclaim: Mapping[str, str],
    *,
    held: bool = False,
) -> tuple[Threshold, ...]:
    """All thresholds of a configuration, those acting first at the front; raises BadThreshold.

    An amount of 0 (or 0%, 100%) turns a signal off, as upstream. `held`: the pods are held to what they may use of
    memory together; the hard threshold for the node's memory is then one for what is left of that, too, so that a pod
    is chosen before the kernel kills any.
    """
    if held and MEMORY in hard:
        hard = {MEMORY_OF_PODS: hard[MEMORY], **hard}
    check((*hard, *soft, *soft_grace, *reclaim))
    missing = sorted(soft.keys() - soft_grace.keys())
    if missing:
        raise BadThreshold(f"evictionSoftGracePeriod has no time for {', '.join(missing)}: add one for each")
    found = [
        *(Threshold(signal=s, value=v, reclaim=reclaim.get(s, "0")) for s, v in hard.items()),
        *(Threshold(signal=s, value=v, reclaim=reclaim.get(s, "0"), grace=soft_grace[s]) for s, v in soft.items()),
    ]
    for threshold in found:
        amount_of(threshold.value, 0), amount_of(threshold.reclaim, 0)
    acting = [t for t in found if t.value not in ("0%", "100%") and t.value != "0"]
    return tuple(sorted(acting, key=lambda t: (SIGNALS[t.signal].order, t.grace is not None)))


def check(signals: Iterable[str]) -> None:
    unknown = sorted(set(signals) - SIGNALS.keys())
    if unknown:
        raise BadThreshold(f"unknown eviction signal {', '.join(unknown)}: there are {', '.join(SIGNALS)}")
