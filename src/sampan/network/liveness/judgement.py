"""When a node is taken for unreachable: moments and answers in, probes to send and names out; no I/O.

A peer is asked every `interval` seconds. An answer that has not come `RETRY_SECONDS` later is a miss; then it is asked
again at once, by other means, too. `MISSES` in a row make it silent, `RETURNS` answers in a row bring it back. Death is
thereby noticed `RETRY_SECONDS * MISSES` after the first question that got no answer, however large the cluster.

A silent peer is *unreachable* if it did not even answer when somebody else, asked since its silence began, had. Where
nobody has, it may be this node that was cut off, and nothing is said of those that fell silent within
`TOGETHER_SECONDS` of each other. One that is alone with us (two nodes, or the others are long gone) has no such witness
and needs none.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

INTERVAL_SECONDS = 0.5
RETRY_SECONDS = 0.25
MISSES, RETURNS = 3, 2
TOGETHER_SECONDS = 5.0
PROBES_PER_SECOND = 200
"""Of one node to all others: with more than a hundred nodes, each is asked less often."""


class Place(NamedTuple):
    """Where a node is asked; `port` is one that it may listen at, 0 for none."""

    address: str
    port: int = 0


class Probe(NamedTuple):
    """`thorough`: by TCP, too, for some networks lose or forbid echoes."""

    place: Place
    thorough: bool


@dataclass(slots=True)
class _Peer:
    """`due`: when to look at it next; `rested`: it is to be asked then, whatever was; `asked`: when the question still
    open was asked; `doubted` and `missed`: when the first and the last of those were that had no answer; `witness`:
    when somebody else was first asked in that time who answered. None stands for never."""

    place: Place
    due: float
    rested: bool = True
    asked: float | None = None
    doubted: float | None = None
    missed: float = 0.0
    witness: float | None = None
    heard: bool = False
    misses: int = 0
    returns: int = 0
    silent: bool = False


class Judgement:
    """All moments are seconds of one clock that never goes back."""

    def __init__(self) -> None:
        self._peers: dict[str, _Peer] = {}
        self._names: dict[str, str] = {}

    @property
    def interval(self) -> float:
        return max(INTERVAL_SECONDS, len(self._peers) / PROBES_PER_SECOND)

    def follow(self, name: str, place: Place, first: float) -> None:
        """A node, or one that is elsewhere now: known from there on; to be asked at the moment `first`."""
        known = self._peers.get(name)
        if known is None or known.place != place:
            self.forget(name)
            self._peers[name] = _Peer(place, first)
            self._names[place.address] = name

    def forget(self, name: str) -> None:
        gone = self._peers.pop(name, None)
        if gone is not None and self._names.get(gone.place.address) == name:
            del self._names[gone.place.address]

    def next_due(self) -> float:
        """When `probes` has something to do again; infinite without peers."""
        return min((peer.due for peer in self._peers.values()), default=math.inf)

    def heard(self, addresses: Iterable[str]) -> None:
        """Answers, which have to be told before `probes` is asked; strangers' are ignored."""
        found = [self._peers[self._names[address]] for address in addresses if address in self._names]
        last = max((_answered(peer, peer.asked) for peer in found if peer.asked is not None), default=-math.inf)
        for peer in self._peers.values():
            if peer.asked is not None and peer.witness is None and peer.doubted is not None and last > peer.doubted:
                peer.witness = last

    def probes(self, now: float) -> list[Probe]:
        """What is to be sent now."""
        due = [peer for peer in self._peers.values() if peer.due <= now]
        return [Probe(peer.place, peer.misses > 0) for peer in due if self._asks(peer, now)]

    def unreachable(self) -> frozenset[str]:
        silent = {name: peer for name, peer in self._peers.items() if peer.silent}
        if not silent:
            return frozenset()
        doubts = sorted(math.inf if p.doubted is None else p.doubted for p in self._peers.values() if p.heard)
        return frozenset(name for name, peer in silent.items() if _gone(peer, doubts))

    def statistics(self) -> dict[str, int]:
        peers = self._peers.values()
        return {"peers": len(peers), "heard": sum(p.heard for p in peers), "silent": sum(p.silent for p in peers)}

    def _asks(self, peer: _Peer, now: float) -> bool:
        """Whether it is asked now; one that has answered has its rest before."""
        if peer.asked is not None:
            _missed(peer, peer.asked)
        elif not peer.rested:
            peer.rested, peer.due = True, now + self.interval - RETRY_SECONDS
            return False
        urgent = peer.heard and not peer.silent
        peer.asked, peer.rested, peer.due = now, False, now + (RETRY_SECONDS if urgent else self.interval)
        return True


def _missed(peer: _Peer, asked: float) -> None:
    if peer.doubted is None:
        peer.doubted = asked
    peer.missed, peer.misses, peer.returns = asked, peer.misses + 1, 0
    peer.silent = peer.silent or (peer.heard and peer.misses >= MISSES)


def _answered(peer: _Peer, asked: float) -> float:
    """When it was asked what it has answered now."""
    peer.asked, peer.heard, peer.returns = None, True, peer.returns + 1
    if not peer.silent or peer.returns >= RETURNS:
        peer.silent, peer.doubted, peer.witness, peer.misses = False, None, None, 0
    return asked


def _gone(peer: _Peer, doubts: list[float]) -> bool:
    """`doubts`: since when each that ever answered does not, in order, its own among them."""
    if peer.witness is not None:
        return peer.missed >= peer.witness
    begun = peer.doubted or 0.0
    others = doubts[:-1] if doubts[-1] == begun else doubts
    return not others or others[-1] < begun - TOGETHER_SECONDS
