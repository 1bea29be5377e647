"""Random histories against a plain model: a list of states, one for each revision.

Each step queues several commits at one moment, puts keys under a lease, ends one, compacts, or opens the store again.
The store's answers must be those of doing the commits one after another in call order (which makes the history
linearizable: a commit's place in the order is between its call and its answer). etcd may take commits that have no key
in common in any order: for it, there must be one that explains the answers. Afterwards every readable revision must
read as the model's, and a watch from every readable revision must see exactly what the model says changed later.
"""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sampan.aio.clock import SystemClock
from sampan.store.errors import Compacted, LeaseNotFound
from sampan.store.etcd import EtcdStore
from sampan.store.interface import Compare, Delete, Event, KeyValue, Operation, Put, Store, Watch
from sampan.store.memory import MemoryStore
from sampan.store.sqlite import SqliteStore
from sampan.testing import etcd

LEASE_SECONDS = 1000
KEYS = ["/a", "/a/b", "/b", "/c"]
State = dict[str, KeyValue]


@dataclass
class Model:
    """What a store is supposed to be, without any care for speed."""

    base: int
    states: list[State] = field(default_factory=lambda: [{}])
    events: list[Event] = field(default_factory=list)
    compacted: int = 0

    @property
    def revision(self) -> int:
        return self.base + len(self.states) - 1

    def at(self, revision: int) -> list[KeyValue]:
        return [item for _, item in sorted(self.states[revision - self.base].items())]

    def commit(
        self, compares: list[Compare], operations: list[Operation]
    ) -> tuple[bool, int, dict[str, KeyValue | None]]:
        now = self.states[-1]
        found = {compare.key: now.get(compare.key) for compare in compares}
        if any((item.mod_revision if (item := found[c.key]) else 0) != c.mod_revision for c in compares):
            return False, self.revision, found
        new, revision = dict(now), self.revision + 1
        for operation in operations:
            self.change(new, operation, revision)
        if any(event.revision == revision for event in self.events):
            self.states.append(new)
        return True, self.revision, {}

    def revoke(self, lease: int) -> None:
        now, revision = self.states[-1], self.revision + 1
        taken = sorted(key for key, item in now.items() if item.lease == lease)
        self.events += [Event(key, None, revision, now[key]) for key in taken]
        if taken:
            self.states.append({key: item for key, item in now.items() if key not in taken})

    def change(self, state: State, operation: Operation, revision: int) -> None:
        old = state.pop(operation.key, None)
        if isinstance(operation, Put):
            created, version = (old.create_revision, old.version + 1) if old else (revision, 1)
            lease = operation.lease
            state[operation.key] = KeyValue(operation.key, operation.value, created, revision, version, lease)
            self.events.append(Event(operation.key, operation.value, revision, old, created, version, lease))
        elif old:
            self.events.append(Event(operation.key, None, revision, old))


key = st.sampled_from(KEYS)
"""How a compare is made: None expects absence, else the key's revision so many commits ago (0: now)."""
compare = st.tuples(key, st.none() | st.integers(0, 2))
operation = st.one_of(st.builds(Put, key, st.binary(max_size=3)), st.builds(Delete, key))
operations = st.lists(operation, max_size=3, unique_by=lambda operation: operation.key)
commits = st.tuples(st.lists(compare, max_size=2, unique_by=lambda compare: compare[0]), operations)
lent = st.builds(frozenset, st.lists(key, min_size=1, max_size=3))
"""Keys put with a lease of their own."""
step = st.one_of(st.lists(commits, min_size=1, max_size=5), st.floats(0, 1), lent, st.just("revoke"), st.just("reopen"))


def compares(model: Model, wanted: list[tuple[str, int | None]]) -> list[Compare]:
    """Compares against what the model holds as the step begins, so that some hold and some do not."""
    result = []
    for name, age in wanted:
        state = model.states[max(0, len(model.states) - 1 - age)] if age is not None else {}
        result.append(Compare(name, state[name].mod_revision if name in state else 0))
    return result


async def run(store: Store, steps: list, reopen: bool) -> None:
    await store.start()
    model = Model(store.revision, compacted=store.revision)
    opened = store.revision
    live = store.watch("/", "0", from_revision=opened, previous=True)
    leases: list[int] = []
    for action in steps:
        if isinstance(action, list):
            await commit_together(store, model, action)
        elif isinstance(action, frozenset):
            leases.append(await store.lease_grant(LEASE_SECONDS))
            await commit_together(store, model, [([], [Put(name, b"lent", leases[-1]) for name in sorted(action)])])
        elif action == "revoke":
            await revoke(store, model, leases)
        elif isinstance(action, float):
            await compact(store, model, action)
        elif reopen:
            await store.close()
            await store.start()
            opened = model.revision
            live = store.watch("/", "0", from_revision=opened, previous=True)
    await check(store, model)
    assert await read(live, store.revision) == [event for event in model.events if event.revision > opened]
    await store.close()


async def commit_together(store: Store, model: Model, step: list) -> None:
    made = [(compares(model, wanted), changes) for wanted, changes in step]
    answers = await asyncio.gather(*(store.commit(*commit) for commit in made))
    given = [(answer.succeeded, answer.revision, dict(answer.found)) for answer in answers]
    if store.local:
        assert given == [model.commit(*commit) for commit in made]
    else:
        assert explain(model, made, given), (made, given)


def explain(model: Model, made: list, given: list) -> bool:
    """Does the commits in an order that leads to the answers given, if there is one."""
    if not made:
        return True
    for n, commit in enumerate(made):
        if any(names(commit) & names(earlier) for earlier in made[:n]):
            continue
        attempt = Model(model.base, list(model.states), list(model.events), model.compacted)
        fits = attempt.commit(*commit) == given[n]
        if fits and explain(attempt, made[:n] + made[n + 1 :], given[:n] + given[n + 1 :]):
            model.states, model.events = attempt.states, attempt.events
            return True
    return False


async def revoke(store: Store, model: Model, leases: list[int]) -> None:
    """The oldest lease ends, with the keys that still are under it."""
    if not leases:
        return
    lease = leases.pop(0)
    await store.lease_revoke(lease)
    model.revoke(lease)
    with pytest.raises(LeaseNotFound):
        await store.lease_renew(lease)


def names(commit: tuple[list[Compare], list[Operation]]) -> set[str]:
    return {part.key for parts in commit for part in parts}


async def compact(store: Store, model: Model, part: float) -> None:
    revision = model.compacted + int((model.revision - model.compacted) * part)
    if revision > model.compacted:
        await store.compact(revision)
        model.compacted = revision


async def check(store: Store, model: Model) -> None:
    assert store.revision == model.revision
    for revision in range(model.base, model.revision + 1):
        if revision < model.compacted:
            with pytest.raises(Compacted):
                await store.range("/", "0", revision=revision)
            continue
        assert list((await store.range("/", "0", revision=revision)).items) == model.at(revision)
        expected = [plain(event) for event in model.events if event.revision > revision]
        assert await read(store.watch("/", "0", from_revision=revision), store.revision) == expected


async def read(watch: Watch, revision: int) -> list[Event]:
    """The watch's events up to a revision; closes it."""
    events = []
    while watch.revision < revision:
        events += await watch.__anext__()
    watch.close()
    return events


def plain(event: Event) -> Event:
    return Event(event.key, event.value, event.revision, None, event.create_revision, event.version, event.lease)


@settings(max_examples=150, deadline=None)
@given(st.lists(step, max_size=12))
def test_memory_behaves_as_the_model(steps: list) -> None:
    asyncio.run(run(MemoryStore(), steps, reopen=False))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(step, max_size=12))
def test_sqlite_behaves_as_the_model(steps: list) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(SqliteStore(Path(folder) / "store.db", SystemClock()), steps, reopen=True))


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(step, max_size=6))
async def test_etcd_behaves_as_the_model(etcd_url: str, steps: list) -> None:
    etcd.wipe(etcd_url)
    await run(EtcdStore([etcd_url], SystemClock()), steps, reopen=True)
