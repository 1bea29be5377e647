"""The bounds of a resource's history."""

from __future__ import annotations

from sampan.store.cache.entry import make
from sampan.store.cache.event import Change
from sampan.store.cache.history import History
from sampan.store.cache.projection import Projection


def entry(revision: int, size: int = 10) -> object:
    return make("/registry/core/pods/default/a", b"x" * size, revision, Projection())


def test_count_is_bounded_and_the_floor_says_what_is_left() -> None:
    history = History(100, changes=20)
    for revision in range(101, 201):
        history.add(Change(revision, None, entry(revision)))
    assert len(history) <= 20
    assert [change.revision for change in history.since(history.floor)] == list(range(history.floor + 1, 201))


def test_bytes_of_replaced_states_are_bounded() -> None:
    history = History(0, size=10_000)
    for revision in range(1, 1000):
        history.add(Change(revision, entry(revision - 1, 1000), entry(revision, 1000)))
    assert sum(len(change.old.data) for change in history.since(history.floor)) <= 10_000
    assert [change.revision for change in history.since(996)] == [997, 998, 999]


def test_changes_of_one_commit_leave_together() -> None:
    history = History(0, changes=20)
    for revision in range(1, 40):
        for _ in range(3):
            history.add(Change(revision, None, entry(revision)))
            kept = [change.revision for change in history.since(history.floor)]
            assert kept.count(history.floor + 1) == 3 or kept[-1] == history.floor + 1


def test_nothing_is_later_than_the_newest() -> None:
    history = History(5)
    assert history.since(5) == ()
    history.add(Change(6, None, entry(6)))
    assert history.since(6) == ()
    assert len(history.since(5)) == 1
