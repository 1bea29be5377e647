"""Whether a history is one that a store may have: plain functions from a history to what is wrong with it.

The log gives every revision its changes, so there is only one order of commits that can explain the history, and
checking linearizability is reading, not searching. What must hold:

- every commit that succeeded is in the log at its revision with exactly its changes, and its compares held just before;
- one that was refused was refused rightly, by the state of the revision it names, or, when it names none, by one of the
  states there were between its call and its return;
- one that failed is not in the log, one whose outcome is unknown is there once at most;
- nothing is in the log that nobody wrote;
- what was called after another had returned is not decided before it: revisions and reads never go back;
- a read gives the state of the revision it names;
- a watcher sees the log's changes in its range: all, once, in order; what it has reached never goes back.

A deletion over the API is acknowledged without its revision. It names the revision of what it deletes, which can be
deleted but once, and so its place in the log is known all the same.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator

from sampan.store.interface import Delete, Event, KeyValue, Put
from sampan.testing.faults.history import LEASED, Attempt, History, Read, Sight

State = dict[str, KeyValue]
MAY_HAVE_BEEN = ("succeeded", "unknown", "pending")


def check(history: History) -> list[str]:
    """What is wrong, in words; empty when all is well."""
    found = Findings(history)
    return [
        *found.order_of_the_log(),
        *found.commits(),
        *found.conflicts(),
        *found.authors(),
        *found.real_time(),
        *found.reads(),
        *(problem for sight in history.sights for problem in found.sight(sight)),
    ]


class Findings:
    """The log as states by revision, and what contradicts it."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.changes: dict[int, list[Event]] = defaultdict(list)
        for event in history.log:
            self.changes[event.revision].append(event)
        self.revisions = [history.base, *sorted(self.changes)]
        self.states: list[State] = [dict(history.initial)]
        for revision in self.revisions[1:]:
            self.states.append(_after(self.states[-1], self.changes[revision]))
        self.authors_of = {each.value: each for each in _values(history.attempts)}
        self.place_of = {event.value: event.revision for event in reversed(history.log) if event.value is not None}
        self.deletions = self._deletions()
        self.complete = history.complete or self.revisions[-1]

    def _deletions(self) -> dict[tuple[str, int], int]:
        """Where the log deletes, by the key and the revision of what it held."""
        return {
            (event.key, _mod_revision(self.at(revision - 1).get(event.key))): revision
            for revision, events in self.changes.items()
            for event in events
            if event.value is None
        }

    def decided_at(self, attempt: Attempt) -> int:
        """The attempt's revision, 0 when it has none."""
        if attempt.revision or attempt.outcome != "succeeded":
            return attempt.revision
        return self.deletions.get(_deleted(attempt) or ("", 0), 0)

    def at(self, revision: int) -> State:
        """The state as of a revision."""
        return self.states[max(bisect_right(self.revisions, revision) - 1, 0)]

    def order_of_the_log(self) -> Iterator[str]:
        last = self.history.base
        for event in self.history.log:
            if event.revision < last:
                yield f"the log goes back from revision {last} to {event.revision}"
            last = event.revision
        for revision, events in self.changes.items():
            if len({event.key for event in events}) < len(events):
                yield f"revision {revision} changes a key twice"

    def commits(self) -> Iterator[str]:
        for attempt in self.history.attempts:
            if attempt.outcome == "succeeded":
                yield from self._succeeded(attempt)
            elif attempt.outcome == "refused":
                yield from self._refused(attempt)
            elif attempt.outcome == "failed" and (revision := self._revision_of(attempt)):
                yield f"{_name(attempt)} failed, and yet it took place at {revision}"

    def _succeeded(self, attempt: Attempt) -> Iterator[str]:
        if not (revision := self.decided_at(attempt)):
            yield f"{_name(attempt)} was acknowledged, and the log does not have it"
            return
        changes = {event.key: event.value for event in self.changes.get(revision, ())}
        before = self.at(revision - 1)
        wanted = {
            each.key: each.value if isinstance(each, Put) else None
            for each in attempt.operations
            if isinstance(each, Put) or each.key in before
        }
        if wanted and changes != wanted:
            yield f"{_name(attempt)} was acknowledged at {revision}, where the log has {changes}"
        for compare in attempt.compares:
            if _mod_revision(before.get(compare.key)) != compare.mod_revision:
                yield f"{_name(attempt)} succeeded at {revision} against its compare of {compare.key}"

    def _refused(self, attempt: Attempt) -> Iterator[str]:
        state = self.at(attempt.revision)
        for compare in attempt.compares:
            if attempt.found.get(compare.key) != state.get(compare.key):
                yield f"{_name(attempt)} was refused at {attempt.revision} and shown another {compare.key} than was"
        if _holds(attempt, state):
            yield f"{_name(attempt)} was refused at {attempt.revision}, where its compares hold"
        if revision := self._revision_of(attempt):
            yield f"{_name(attempt)} was refused, and yet it took place at {revision}"

    def conflicts(self) -> Iterator[str]:
        """Those refused at a revision untold: between what was known at the call and what came after the return."""
        decided = self._decided()
        for attempt in self.history.attempts:
            if attempt.outcome != "conflicted":
                continue
            first = max((r for each, _, r in decided if each.returned < attempt.called), default=self.history.base)
            last = min((r for each, r, _ in decided if each.called > attempt.returned), default=self.complete)
            between = self.revisions[bisect_right(self.revisions, first) : bisect_right(self.revisions, last)]
            if all(_holds(attempt, self.at(revision)) for revision in (first, *between)):
                yield f"{_name(attempt)} was refused, though its compares held from {first} to {last}"
            if revision := self._revision_of(attempt):
                yield f"{_name(attempt)} was refused, and yet it took place at {revision}"

    def _decided(self) -> list[tuple[Attempt | Read, int, int]]:
        """What was answered, with the revision before and after it, which are one unless it changed anything."""
        found: list[tuple[Attempt | Read, int, int]] = [(r, r.revision, r.revision) for r in self.history.reads]
        for attempt in self.history.attempts:
            if attempt.outcome in ("succeeded", "refused") and (revision := self.decided_at(attempt)):
                new = attempt.outcome == "succeeded" and (self._revision_of(attempt) or not attempt.revision)
                found.append((attempt, revision - bool(new), revision))
        return found

    def authors(self) -> Iterator[str]:
        """Each revision is one attempt's, and each attempt has one revision."""
        seen: dict[bytes, int] = {}
        deleted = {_deleted(each) for each in self.history.attempts if each.outcome in MAY_HAVE_BEEN}
        twice = Counter(_deleted(each) for each in self.history.attempts if each.outcome == "succeeded")
        yield from (f"{key} of {at} was deleted {n} times" for (key, at), n in _several(twice))
        unclaimed = {revision for place, revision in self.deletions.items() if place not in deleted}
        for revision, events in self.changes.items():
            puts = [event.value for event in events if event.value is not None]
            if not puts:
                if revision in unclaimed and not all(event.key.startswith(LEASED) for event in events):
                    yield f"revision {revision} deletes what nobody deleted: {[event.key for event in events]}"
                continue
            for value in puts:
                if value not in self.authors_of:
                    yield f"revision {revision} has a value that nobody wrote: {value!r}"
                if value in seen:
                    yield f"revision {revision} repeats what was written at {seen[value]}: {value!r}"
                seen[value] = revision

    def real_time(self) -> Iterator[str]:
        """Moments and revisions agree: sorted by moment, the revisions known at a call bound the one decided."""
        moments: list[tuple[int, int, str, str]] = []
        for each, before, after in self._decided():
            name = _name(each) if isinstance(each, Attempt) else f"a read by {each.client}"
            moments += [(each.called, before, "call", name), (each.returned, after, "return", name)]
        known = 0
        for _, revision, kind, name in sorted(moments):
            if kind == "return":
                known = max(known, revision)
            elif revision < known:
                yield f"{name} is of revision {revision}, though {known} had been acknowledged before it began"

    def reads(self) -> Iterator[str]:
        for read in [*self.history.reads, *([self.history.final] if self.history.final else [])]:
            yield from self._read(read)

    def _read(self, read: Read) -> Iterator[str]:
        expected = [item for key, item in sorted(self.at(read.revision).items()) if read.start <= key < read.end]
        if list(read.items) != expected:
            keys = {item.key for item in read.items} ^ {item.key for item in expected} or "other values"
            yield f"a read by {read.client} at revision {read.revision} is not the state then: {keys}"

    def sight(self, sight: Sight) -> Iterator[str]:
        expected = [
            _brief(event)
            for event in self.history.log
            if sight.start_revision < event.revision <= sight.reached and sight.start <= event.key < sight.end
        ]
        seen = [_brief(event) for event in sight.events if event.revision <= self.complete]
        name = f"watcher {sight.client} from {sight.start_revision} to {sight.reached}"
        if sight.went_back:
            yield f"{name} was told of revisions that went back: {sight.went_back[:3]}"
        if seen == expected:
            return
        revisions = [revision for revision, _, _ in seen]
        if revisions != sorted(revisions):
            yield f"{name} saw events out of order"
        if len(set(seen)) < len(seen):
            yield f"{name} saw an event twice"
        if missed := set(expected) - set(seen):
            yield f"{name} missed {sorted(missed)[:3]}"
        if invented := set(seen) - set(expected):
            yield f"{name} saw what was not: {sorted(invented, key=str)[:3]}"

    def _revision_of(self, attempt: Attempt) -> int:
        """Where the log has the attempt's values, 0 if nowhere."""
        places = [self.place_of[o.value] for o in attempt.operations if isinstance(o, Put) and o.value in self.place_of]
        return min(places, default=0)


def _after(state: State, events: list[Event]) -> State:
    new = dict(state)
    for event in events:
        if event.value is None:
            new.pop(event.key, None)
        else:
            new[event.key] = KeyValue(
                event.key, event.value, event.create_revision, event.revision, event.version, event.lease
            )
    return new


def _deleted(attempt: Attempt) -> tuple[str, int] | None:
    """What an attempt that does nothing but delete deletes: the key, and the revision that it must be of."""
    if len(attempt.operations) != 1 or not isinstance(attempt.operations[0], Delete) or not attempt.compares:
        return None
    return attempt.operations[0].key, attempt.compares[0].mod_revision


def _several(counts: Counter[tuple[str, int] | None]) -> list[tuple[tuple[str, int], int]]:
    return [(place, count) for place, count in counts.items() if place is not None and count > 1]


def _holds(attempt: Attempt, state: State) -> bool:
    return all(_mod_revision(state.get(compare.key)) == compare.mod_revision for compare in attempt.compares)


def _values(attempts: list[Attempt]) -> Iterator[Put]:
    return (each for attempt in attempts for each in attempt.operations if isinstance(each, Put))


def _brief(event: Event) -> tuple[int, str, bytes]:
    return event.revision, event.key, b"<deleted>" if event.value is None else event.value


def _mod_revision(item: KeyValue | None) -> int:
    return item.mod_revision if item is not None else 0


def _name(attempt: Attempt) -> str:
    values = [each.value for each in attempt.operations if isinstance(each, Put)]
    what = values[0].decode() if values else f"deletes {_deleted(attempt)}"
    return f"the commit of {attempt.client} ({what})"
