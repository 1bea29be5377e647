"""Plays the stories in tests/scenarios/liveness; see the README there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sampan.network.liveness.judgement import Judgement, Place

FOLDER = Path(__file__).parents[3] / "scenarios" / "liveness"
TICK, END = 0.05, 60.0


class Node:
    """`n2 silent 10-30 40-`: it answers but in those seconds."""

    def __init__(self, line: str) -> None:
        self.name, *rest = line.split()
        self.silences = [tuple(float(end or "inf") for end in each.split("-")) for each in rest[1:]]

    def answers(self, now: float) -> bool:
        return not any(begin <= now < end for begin, end in self.silences)


def changes(nodes: dict[str, Node]) -> Iterator[str]:
    """When the unreachable are others, and which they are then."""
    judgement, heard, before = Judgement(), set[str](), frozenset[str]()
    for number, name in enumerate(nodes):
        judgement.follow(name, Place(name), number * 0.1)
    for tick in range(round(END / TICK)):
        now = round(tick * TICK, 2)
        judgement.heard(heard)
        heard = {probe.place.address for probe in judgement.probes(now) if nodes[probe.place.address].answers(now)}
        if (found := judgement.unreachable()) != before:
            yield f"{now:.2f} {' '.join(sorted(found)) or 'none'}"
            before = found


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_scenario(path: Path) -> None:
    """SAMPAN_WRITE_SCENARIOS=1 writes what comes out into the file instead, to be read before it is committed."""
    about, told, expected = path.read_text().split("---\n")
    nodes = {node.name: node for node in map(Node, told.strip().splitlines())}
    found = "".join(f"{line}\n" for line in changes(nodes))
    if os.environ.get("SAMPAN_WRITE_SCENARIOS"):
        path.write_text(f"{about}---\n{told}---\n{found}")
        return
    assert found == expected


def test_a_large_cluster_is_asked_no_more_often_than_a_small_one_can_bear() -> None:
    judgement = Judgement()
    for number in range(400):
        judgement.follow(f"n{number}", Place(f"n{number}"), number / 200)
    sent = 0
    for tick in range(200):
        now = tick * TICK
        probes = judgement.probes(now)
        judgement.heard([probe.place.address for probe in probes])
        sent += len(probes)
    assert 1600 <= sent <= 2000
    assert judgement.unreachable() == frozenset()


def test_a_node_that_moved_begins_anew_and_one_that_left_is_nobody() -> None:
    judgement = Judgement()
    for name in ("a", "b"):
        judgement.follow(name, Place(f"{name}1", 10250), 0)
    judgement.probes(0)
    judgement.heard(["a1", "b1", "stranger"])
    judgement.follow("a", Place("a2", 10250), 1)
    judgement.forget("b")
    judgement.heard(["a1", "b1"])
    assert judgement.statistics() == {"peers": 1, "heard": 0, "silent": 0}
    assert [probe.place.address for probe in judgement.probes(1)] == ["a2"]
