"""List-then-watch equals list, at every revision and for every selection, whatever happened."""

from __future__ import annotations

import asyncio
import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from sampan.store import keys
from sampan.store.cache import Entry, ResourceCache, WatchCache, Watcher
from sampan.store.interface import Delete, Put
from sampan.store.memory import MemoryStore

NAMESPACES, NAMES, NODES, APPS = ["a", "b"], ["x", "y"], ["", "n1", "n2"], ["", "p", "q"]
State = dict[str, bytes]
POD = '{"kind":"Pod","apiVersion":"v1","metadata":{"name":"%s","labels":{"app":"%s"}},"spec":{"nodeName":"%s"}}'
change = st.tuples(
    st.sampled_from(NAMESPACES), st.sampled_from(NAMES), st.sampled_from(NODES), st.sampled_from(APPS), st.booleans()
)
moment = st.lists(change, min_size=1, max_size=3, unique_by=lambda change: change[:2])


def is_p(labels) -> bool:
    return labels.get("app") == "p"


SCOPES = [
    {"namespace": namespace, "name": name, "field": field, "label": label}
    for namespace, name, field, label in itertools.product(
        [None, "a"], [None, "x"], [None, ("spec.nodeName", "n1")], [None, is_p]
    )
]


def matching(entries: list[Entry], scope: dict) -> State:
    """What a list with this selection answers."""
    return {
        entry.key: entry.data
        for entry in entries
        if scope["namespace"] in (None, entry.namespace)
        and scope["name"] in (None, entry.name)
        and (scope["field"] is None or entry.field("spec.nodeName") == "n1")
        and (scope["label"] is None or is_p(entry.labels))
    }


def follow(state: State, watcher: Watcher) -> None:
    """Applies the watcher's events as a client would, checking that each makes sense where it comes."""
    last = 0
    for event in watcher.take() or ():
        assert event.entry.revision >= last
        last = event.entry.revision
        assert (event.entry.key in state) == (event.type != "ADDED")
        if event.type == "DELETED":
            del state[event.entry.key]
        else:
            state[event.entry.key] = event.entry.data


async def write(store: MemoryStore, moments: list) -> None:
    for changes in moments:
        operations = []
        for namespace, name, node, app, deletes in changes:
            key = keys.key("", "pods", namespace, name)
            value = (POD % (name, app, node)).encode()
            operations.append(Delete(key) if deletes else Put(key, value))
        await store.commit([], operations)


async def check(pods: ResourceCache, start: int, states: list[list[Entry]]) -> None:
    for scope, (age, entries) in itertools.product(SCOPES, enumerate(states)):
        state = matching(entries, scope)
        watcher = pods.watch(from_revision=start + age, **scope)
        follow(state, watcher)
        assert state == matching(states[-1], scope)
        watcher.close()


async def run(before: list, after: list) -> None:
    store = MemoryStore()
    await store.start()
    await write(store, before)
    cache = WatchCache(store)
    pods = cache.resource("", "pods", fields=["spec.nodeName"])
    await cache.start()
    live = [(scope, matching(pods.list(), scope), pods.watch(from_revision=pods.revision, **scope)) for scope in SCOPES]
    await write(store, after)
    for scope, state, watcher in live:
        follow(state, watcher)
        assert state == matching(pods.list(), scope)
    start = cache.base
    states = [await pods.at(revision) for revision in range(start, cache.revision + 1)]
    assert [entry.data for entry in states[-1]] == [entry.data for entry in pods.list()]
    await check(pods, start, states)
    await cache.close()
    await store.close()


@settings(max_examples=60, deadline=None)
@given(st.lists(moment, max_size=4), st.lists(moment, max_size=8))
def test_list_then_watch_equals_list(before: list, after: list) -> None:
    asyncio.run(run(before, after))
