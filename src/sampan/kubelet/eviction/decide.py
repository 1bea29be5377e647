"""What pressure the node is under, from what was observed and what was so before: pure.

Each call takes the state of the last and gives the next, so that grace periods, minReclaim and the transition period
hold however often it is called ("Node-pressure Eviction"; a condition stays for the transition period after its last
threshold was met, so that it does not flap).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sampan.kubelet.eviction.signals import CONDITIONS, SIGNALS, Observation
from sampan.kubelet.eviction.thresholds import Threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """`met` says since when each threshold is, `pressed` when each condition was last; seconds of one clock."""

    met: Mapping[Threshold, float] = field(default_factory=dict)
    pressed: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """`conditions` are those the node shows, `acting` the thresholds to act on, the first first."""

    state: State
    conditions: tuple[str, ...] = ()
    acting: tuple[Threshold, ...] = ()


def judge(
    thresholds: Sequence[Threshold],
    seen: Mapping[str, Observation],
    before: State,
    now: float,
    transition: float,
) -> Judgement:
    """`seen` by signal; one that could not be observed meets no threshold. `transition` in seconds."""
    met = {
        threshold: before.met.get(threshold, now)
        for threshold in thresholds
        if threshold.signal in seen and threshold.met(seen[threshold.signal], reclaim=threshold in before.met)
    }
    pressed = {**before.pressed, **{SIGNALS[threshold.signal].condition: now for threshold in met}}
    recent = {name: at for name, at in pressed.items() if now - at < transition or at == now}
    acting = tuple(t for t, since in met.items() if t.grace is None or now - since >= t.grace)
    return Judgement(
        state=State(met=met, pressed=recent),
        conditions=tuple(name for name in CONDITIONS if name in recent),
        acting=acting,
    )
