"""The node table and what is read into it: units, rows that come and go, changes that are none."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from sampan.api.kinds import core_v1
from sampan.scheduler import views
from sampan.scheduler.book import Book
from sampan.scheduler.decision import Decider, Refused
from sampan.scheduler.nodetable import NodeFacts, NodeTable
from sampan.scheduler.queue import SchedulingQueue
from sampan.scheduler.requests import CPU, PODS
from sampan.testing.clock import VirtualClock

from . import scenarios


@pytest.fixture
def book() -> Book:
    return Book(NodeTable(capacity=1), SchedulingQueue(VirtualClock()), ["default-scheduler"], lambda: None)


def pod(name: str, **entry: Any) -> Any:
    made = scenarios.pod({"pod": name, **entry})
    made.metadata.uid = name
    return made


def test_heartbeat_is_no_change(book: Book) -> None:
    node = scenarios.node({"node": "a"})
    book.on_node(None, node)
    version = book.table.version
    beat = scenarios.node({"node": "a"})
    beat.status.conditions = [core_v1.NodeCondition(type="Ready", lastHeartbeatTime="2026-01-01T00:00:00Z")]
    book.on_node(node, beat)
    assert book.table.version == version


def test_pods_outlive_their_node(book: Book) -> None:
    """A node that comes back (or comes after its pods) finds them counted."""
    node = scenarios.node({"node": "a", "cpu": 2})
    book.on_pod(None, pod("p", at="a", cpu=1))
    row = book.table.row("a")
    assert not book.table.present[row]
    book.on_node(None, node)
    assert (book.table.present[row], book.table.requested[CPU, row]) == (True, 1000)
    book.on_node(node, None)
    assert book.table.count == 0
    assert book.table.row("a") == row
    book.on_pod(pod("p", at="a", cpu=1), None)
    assert book.table.row("a") == -1


def test_freed_row_is_taken_over_clean(book: Book) -> None:
    entry = {"node": "old", "labels": {"disk": "ssd"}, "taints": ["k=v:NoSchedule"], "unschedulable": True}
    old = scenarios.node(entry)
    book.on_node(None, old)
    decider = Decider(book.table, random.Random(1))
    picky = {"nodeSelector": {"disk": "ssd"}}
    book.on_pod(None, pod("picky", spec=picky))
    assert isinstance(decider.decide(book.records["picky"]), Refused)
    book.on_node(old, None)
    book.on_node(None, scenarios.node({"node": "new"}))
    assert book.table.row("new") == 0
    book.on_pod(None, pod("p"))
    assert decider.decide(book.records["p"]) == 0
    assert isinstance(decider.decide(book.records["picky"]), Refused)


def test_finished_pod_holds_nothing(book: Book) -> None:
    book.on_node(None, scenarios.node({"node": "a"}))
    running, done = pod("p", at="a", cpu=1), pod("p", at="a", cpu=1, phase="Failed")
    book.on_pod(None, running)
    book.on_pod(running, done)
    assert book.table.requested[:, 0].sum() == 0
    assert not book.records


def test_same_needs_are_shared(book: Book) -> None:
    book.on_pod(None, pod("a", cpu="500m"))
    book.on_pod(None, pod("b", cpu="500m", labels={"x": "y"}))
    book.on_pod(None, pod("c", cpu="501m"))
    assert book.records["a"].needs is book.records["b"].needs
    assert book.records["a"].needs is not book.records["c"].needs
    assert len(book.catalog) == 2


def test_amounts_round_up(book: Book) -> None:
    book.on_pod(None, pod("p", at="a", cpu="0.0001", memory="1500m"))
    assert book.table.requested[:4, 0].tolist() == [1, 2, 0, 1]


def test_pod_level_resources_win(book: Book) -> None:
    book.on_pod(None, pod("p", at="a", cpu="1", spec={"resources": {"requests": {"cpu": "3"}}}))
    assert book.table.requested[CPU, 0] == 3000


def test_unreadable_pod_is_left_out(book: Book, caplog: pytest.LogCaptureFixture) -> None:
    book.on_node(None, scenarios.node({"node": "a"}))
    book.on_pod(None, pod("p", at="a", cpu="lots"))
    assert not book.records
    assert book.table.requested[PODS, 0] == 0
    assert "pod left out" in caplog.text


def test_views_read_what_the_table_needs() -> None:
    node = scenarios.node({"node": "a", "cpu": 2, "taints": ["k=v:NoSchedule"], "images": {"x:1": 5}})
    seen = msgspec.json.decode(msgspec.json.encode(node), type=views.Node)
    assert NodeFacts.of(seen) == NodeFacts.of(node)
    assert seen.kind == "Node"
