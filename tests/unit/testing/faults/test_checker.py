"""The checker finds what it is there to find: each kind of lie, told into a sound history."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest

from sampan.store.interface import Compare, Delete, Event, KeyValue, Put
from sampan.testing.faults.checker import check
from sampan.testing.faults.history import Attempt, History, Read, Sight


def event(revision: int, key: str, value: bytes, created: int = 0, version: int = 1) -> Event:
    return Event(key, value, revision, None, created or revision, version)


def sound() -> History:
    """Two writers and an unanswered one; a refusal, a read, a watcher."""
    one, two = Put("/a", b"1"), Put("/a", b"2")
    first = KeyValue("/a", b"1", 6, 6, 1)
    second = KeyValue("/a", b"2", 6, 7, 2)
    log = [event(6, "/a", b"1"), event(7, "/a", b"2", 6, 2), event(8, "/b", b"3")]
    return History(
        base=5,
        attempts=[
            Attempt("w1", [Compare("/a", 0)], [one], 1, 2, "succeeded", 6),
            Attempt("w2", [Compare("/a", 6)], [two], 3, 6, "succeeded", 7),
            Attempt("w1", [Compare("/a", 0)], [Put("/a", b"x")], 4, 5, "refused", 6, {"/a": first}),
            Attempt("w3", [], [Put("/b", b"3")], 7, 9, "unknown"),
            Attempt("w3", [], [Put("/b", b"4")], 10, 11, "failed"),
        ],
        reads=[Read("r", "/", "0", 7, 8, 7, [second])],
        sights=[Sight("s", "/a", "/b", 5, 8, log[:2])],
        log=log,
    )


def test_a_sound_history_passes() -> None:
    assert check(sound()) == []


def over_the_api() -> History:
    """What clients of API servers see: conflicts without a revision, and deletions that are not told theirs."""
    log = [event(6, "/a", b"1"), Event("/a", None, 7), event(8, "/a", b"2")]
    return History(
        base=5,
        attempts=[
            Attempt("w1", [Compare("/a", 0)], [Put("/a", b"1")], 1, 2, "succeeded", 6),
            Attempt("w2", [Compare("/a", 0)], [Put("/a", b"x")], 3, 4, "conflicted"),
            Attempt("w1", [Compare("/a", 6)], [Delete("/a")], 5, 6, "succeeded"),
            Attempt("w2", [Compare("/a", 6)], [Delete("/a")], 7, 8, "conflicted"),
            Attempt("w2", [Compare("/a", 0)], [Put("/a", b"2")], 9, 10, "succeeded", 8),
        ],
        reads=[Read("r", "/", "0", 7, 8, 7, [])],
        log=log,
        complete=8,
    )


def test_a_sound_history_of_the_api_passes() -> None:
    assert check(over_the_api()) == []


def lose_a_write(history: History) -> None:
    history.log = [each for each in history.log if each.revision != 6]


def lose_an_update(history: History) -> None:
    history.attempts[1].compares = [Compare("/a", 0)]


def double_a_write(history: History) -> None:
    history.log.append(event(9, "/b", b"3", 8, 2))


def do_what_failed(history: History) -> None:
    history.log.append(event(9, "/b", b"4", 8, 2))


def invent_a_write(history: History) -> None:
    history.log.append(event(9, "/b", b"?", 8, 2))


def invent_a_deletion(history: History) -> None:
    history.log.append(Event("/a", None, 9))


def refuse_wrongly(history: History) -> None:
    history.attempts[2].compares = [Compare("/a", 6)]


def show_another_state(history: History) -> None:
    history.attempts[2].found = {"/a": None}


def read_the_past(history: History) -> None:
    history.reads[0].revision, history.reads[0].items = 6, [KeyValue("/a", b"1", 6, 6, 1)]


def read_what_is_not(history: History) -> None:
    history.reads[0].items = []


def go_back(history: History) -> None:
    history.log.reverse()


def answer_before_an_earlier_one(history: History) -> None:
    history.attempts[2].called, history.attempts[2].returned = 7, 8


def miss_an_event(history: History) -> None:
    history.sights[0].events = history.sights[0].events[:1]


def see_an_event_twice(history: History) -> None:
    history.sights[0].events = [history.log[0], *history.log[:2]]


def see_events_out_of_order(history: History) -> None:
    history.sights[0].events = history.sights[0].events[::-1]


def go_back_in_a_watch(history: History) -> None:
    history.sights[0].went_back = [6]


def see_what_never_was(history: History) -> None:
    history.sights[0].events = [*history.log[:2], event(7, "/a", b"9")]


def read_an_older_revision_later(history: History) -> None:
    history.reads.append(Read("r", "/", "0", 9, 10, 6, [KeyValue("/a", b"1", 6, 6, 1)]))


def refuse_what_was_so(history: History) -> None:
    history.attempts[1].compares = [Compare("/a", 6)]


def lose_a_deletion(history: History) -> None:
    history.log = [each for each in history.log if each.value is not None]


def delete_twice(history: History) -> None:
    history.attempts[3].outcome = "succeeded"


def delete_what_was_not_asked(history: History) -> None:
    history.attempts[2].outcome = "failed"


def do_what_conflicted(history: History) -> None:
    history.log.append(event(9, "/a", b"x", 8, 2))
    history.complete = 9


def read_what_was_deleted(history: History) -> None:
    history.reads[0].revision, history.reads[0].items = 6, [KeyValue("/a", b"1", 6, 6, 1)]


LIES: dict[Callable[[History], None], str] = {
    lose_a_write: "was acknowledged at 6",
    lose_an_update: "against its compare",
    double_a_write: "repeats what was written",
    do_what_failed: "failed, and yet",
    invent_a_write: "nobody wrote",
    invent_a_deletion: "nobody deleted",
    refuse_wrongly: "where its compares hold",
    show_another_state: "shown another",
    read_the_past: "though 7 had been acknowledged",
    read_what_is_not: "is not the state then",
    go_back: "the log goes back",
    answer_before_an_earlier_one: "though 7 had been acknowledged",
    miss_an_event: "missed",
    see_an_event_twice: "saw an event twice",
    see_events_out_of_order: "out of order",
    go_back_in_a_watch: "went back",
    see_what_never_was: "saw what was not",
    read_an_older_revision_later: "though 7 had been acknowledged",
}
API_LIES: dict[Callable[[History], None], str] = {
    refuse_what_was_so: "though its compares held",
    lose_a_deletion: "the log does not have it",
    delete_twice: "deleted 2 times",
    delete_what_was_not_asked: "deletes what nobody deleted",
    do_what_conflicted: "was refused, and yet it took place",
    read_what_was_deleted: "though 7 had been acknowledged",
}


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_each_lie_is_found(lie: Callable[[History], None]) -> None:
    history = copy.deepcopy(sound())
    lie(history)
    assert any(LIES[lie] in problem for problem in check(history)), check(history)


@pytest.mark.parametrize("lie", API_LIES, ids=lambda lie: lie.__name__)
def test_each_lie_about_the_api_is_found(lie: Callable[[History], None]) -> None:
    history = over_the_api()
    lie(history)
    assert any(API_LIES[lie] in problem for problem in check(history)), check(history)
