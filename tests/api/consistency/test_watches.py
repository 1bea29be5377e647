"""What watchers see: from any revision on every later change, once and in order; list and watch agree everywhere."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from typing import Any

import pytest

MERGE = "application/merge-patch+json"
CHANGES = 120
OBJECTS = 12
SELECTED = "labelSelector=odd%3Dtrue"


def revision_of(obj: dict[str, Any]) -> int:
    return int(obj["metadata"]["resourceVersion"])


def change(client: Any, maps: str, chance: random.Random) -> None:
    """Try one random change of one of a few objects."""
    name = f"m{chance.randrange(OBJECTS)}"
    labels = {"odd": chance.choice(("true", "false"))}
    body = {"metadata": {"name": name, "labels": labels}, "data": {"n": str(chance.random())}}
    kind = chance.choice(("create", "patch", "patch", "delete"))
    if kind == "create":
        client("POST", maps, body)
    elif kind == "patch":
        client("PATCH", f"{maps}/{name}", body, MERGE)
    else:
        client("DELETE", f"{maps}/{name}")


@pytest.fixture
def maps(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps"


def listed(client: Any, path: str, revision: int = 0) -> tuple[int, dict[str, Any]]:
    """A list's revision and its objects by name; `revision`: as of then, exactly."""
    exact = f"resourceVersion={revision}&resourceVersionMatch=Exact" if revision else ""
    status, found = client("GET", f"{path}{'&' if '?' in path else '?'}{exact}")
    assert status == 200, found
    return revision_of(found), {item["metadata"]["name"]: item for item in found["items"]}


def replay(state: dict[str, Any], events: list[dict[str, Any]]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The state after each event; an event that does not fit the state before it is an error."""
    state = dict(state)
    for event in events:
        obj = event["object"]
        name = obj["metadata"]["name"]
        assert (name in state) == (event["type"] != "ADDED"), event
        if event["type"] == "DELETED":
            del state[name]
        else:
            state[name] = {key: value for key, value in obj.items() if key not in ("kind", "apiVersion")}
        yield revision_of(obj), dict(state)


def write_some(client: Any, maps: str, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(CHANGES):
        change(client, maps, chance)


@pytest.mark.parametrize("selector", ["", f"?{SELECTED}"])
def test_list_then_watch_is_list_at_every_revision(clients: Any, maps: str, selector: str) -> None:
    client, path = clients.client(), maps + selector
    write_some(client, maps, 1)
    began, state = listed(client, path)
    watch = clients.watch(path, began)
    write_some(client, maps, 2)
    last = mark(client, maps)
    events = watch.until(last)
    for revision, expected in replay(state, events):
        assert listed(client, path, revision) == (revision, expected)


def mark(client: Any, maps: str) -> int:
    """A last change that every watcher of the namespace sees; its revision."""
    status, made = client("POST", maps, {"metadata": {"generateName": "end-", "labels": {"odd": "true"}}})
    assert status == 201
    return revision_of(made)


def test_a_watch_from_any_revision(clients: Any, maps: str) -> None:
    """Whatever revision a watch begins at, it sees exactly the rest of what a watch from the beginning saw."""
    client = clients.client()
    began, _ = listed(client, maps)
    write_some(client, maps, 3)
    last = mark(client, maps)
    everything = clients.watch(maps, began).until(last)
    revisions = [revision_of(event["object"]) for event in everything]
    assert revisions == sorted(set(revisions))
    for revision in range(began, last):
        rest = [event for event in everything if revision_of(event["object"]) > revision]
        assert clients.watch(maps, revision).until(last) == rest


def test_watches_that_begin_while_others_write(clients: Any, maps: str) -> None:
    """Thirty watches opened between the writes of three writers, each from the list that it made, miss nothing."""
    stop, opened = threading.Event(), []
    writers = [
        threading.Thread(target=_write_on, args=(clients.client(), maps, random.Random(seed), stop))
        for seed in range(3)
    ]
    for writer in writers:
        writer.start()
    client = clients.client()
    try:
        for number in range(30):
            path = f"{maps}?{SELECTED}" if number % 2 else maps
            began, state = listed(client, path)
            opened.append((path, began, state, clients.watch(path, began)))
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    last = mark(client, maps)
    ends = {path: listed(client, path, last)[1] for path in (maps, f"{maps}?{SELECTED}")}
    for path, began, state, watch in opened:
        events = watch.until(last)
        assert all(revision_of(event["object"]) > began for event in events)
        assert list(replay(state, events))[-1][1] == ends[path]


def _write_on(client: Any, maps: str, chance: random.Random, stop: threading.Event) -> None:
    while not stop.is_set():
        change(client, maps, chance)


def test_pages_are_one_list(clients: Any, maps: str) -> None:
    """Pages read while others write, in any size, are the list as it was at the first page."""
    client, stop = clients.client(), threading.Event()
    for number in range(40):
        client("POST", maps, {"metadata": {"name": f"m{number:03}", "labels": {"odd": "true"}}})
    writers = [
        threading.Thread(target=_write_on, args=(clients.client(), maps, random.Random(seed), stop))
        for seed in range(3)
    ]
    for writer in writers:
        writer.start()
    try:
        for size in (1, 3, 7, 20):
            revision, items = _paged(client, maps, size)
            assert {item["metadata"]["name"]: item for item in items} == listed(client, maps, revision)[1]
            names = [item["metadata"]["name"] for item in items]
            assert names == sorted(set(names))
    finally:
        stop.set()
        for writer in writers:
            writer.join()


def _paged(client: Any, maps: str, size: int) -> tuple[int, list[dict[str, Any]]]:
    items: list[dict[str, Any]] = []
    token, revision = "", 0
    while True:
        status, page = client("GET", f"{maps}?limit={size}&continue={token}")
        assert status == 200, page
        assert len(page["items"]) <= size
        revision = revision or revision_of(page)
        assert revision_of(page) == revision
        items += page["items"]
        token = page["metadata"].get("continue", "")
        if not token:
            return revision, items
        assert page["metadata"].get("remainingItemCount", 1) > 0


def test_a_streamed_list_is_a_list(clients: Any, maps: str, api: Any) -> None:
    """KEP-3157: the state, a bookmark with its revision, and nothing in between."""
    client = clients.client()
    write_some(client, maps, 5)
    query = "watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan&timeoutSeconds=1"
    revision, state = listed(client, maps)
    events = api.watch(f"{maps}?{query}")
    assert [event["type"] for event in events] == ["ADDED"] * len(state) + ["BOOKMARK"]
    assert revision_of(events[-1]["object"]) >= revision
    got = {e["object"]["metadata"]["name"]: e["object"] for e in events[:-1]}
    assert json.dumps(sorted(got)) == json.dumps(sorted(state))
