"""Whether a history is one that a store may have: plain functions from a history to what is wrong with it.

The log gives every revision its changes, so there is only one order of commits that can explain the history, and
checking linearizability is reading, not searching. What must hold:

- every commit that succeeded is in the log at its revision with exactly its changes, and its compares held just before;
- one that was refused was refused rightly, by the state of the revision it names;
- one that failed is not in the log, one whose outcome is unknown is there once at most;
- nothing is in the log that nobody wrote;
- what was called after another had returned is not decided before it: revisions and reads never go back;
- a read gives the state of the revision it names;
- a watcher sees the log's changes in its range: all, once, in order.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator

from sampan.store.interface import Event, KeyValue, Put
from sampan.testing.faults.history import LEASED, Attempt, History, Read, Sight

State = dict[str, KeyValue]


def check(history: History) -> list[str]:
    """What is wrong, in words; empty when all is well."""
    found = Findings(history)
    return [
        *found.order_of_the_log(),
        *found.commits(),
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
        changes = {event.key: event.value for event in self.changes.get(attempt.revision, ())}
        before = self.at(attempt.revision - 1)
        wanted = {
            each.key: each.value if isinstance(each, Put) else None
            for each in attempt.operations
            if isinstance(each, Put) or each.key in before
        }
        if wanted and changes != wanted:
            yield f"{_name(attempt)} was acknowledged at {attempt.revision}, where the log has {changes}"
        for compare in attempt.compares:
            if _mod_revision(before.get(compare.key)) != compare.mod_revision:
                yield f"{_name(attempt)} succeeded at {attempt.revision} against its compare of {compare.key}"

    def _refused(self, attempt: Attempt) -> Iterator[str]:
        state = self.at(attempt.revision)
        for compare in attempt.compares:
            if attempt.found.get(compare.key) != state.get(compare.key):
                yield f"{_name(attempt)} was refused at {attempt.revision} and shown another {compare.key} than was"
        if all(_mod_revision(state.get(c.key)) == c.mod_revision for c in attempt.compares):
            yield f"{_name(attempt)} was refused at {attempt.revision}, where its compares hold"
        if revision := self._revision_of(attempt):
            yield f"{_name(attempt)} was refused, and yet it took place at {revision}"

    def authors(self) -> Iterator[str]:
        """Each revision is one attempt's, and each attempt has one revision."""
        seen: dict[bytes, int] = {}
        for revision, events in self.changes.items():
            puts = [event.value for event in events if event.value is not None]
            if not puts:
                if not all(event.key.startswith(LEASED) for event in events):
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
        for attempt in self.history.attempts:
            if attempt.outcome in ("succeeded", "refused"):
                moments.append((attempt.called, attempt.revision, "call", _name(attempt)))
                moments.append((attempt.returned, attempt.revision, "return", _name(attempt)))
                new = attempt.outcome == "succeeded" and self._revision_of(attempt)
                if new:
                    moments[-2] = (attempt.called, attempt.revision - 1, "call", _name(attempt))
        for read in self.history.reads:
            moments.append((read.called, read.revision, "call", f"a read by {read.client}"))
            moments.append((read.returned, read.revision, "return", f"a read by {read.client}"))
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
        seen = [_brief(event) for event in sight.events]
        if seen == expected:
            return
        name = f"watcher {sight.client} from {sight.start_revision} to {sight.reached}"
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
        values = {each.value for each in attempt.operations if isinstance(each, Put)}
        return next((event.revision for event in self.history.log if event.value in values), 0) if values else 0


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


def _values(attempts: list[Attempt]) -> Iterator[Put]:
    return (each for attempt in attempts for each in attempt.operations if isinstance(each, Put))


def _brief(event: Event) -> tuple[int, str, bytes]:
    return event.revision, event.key, b"<deleted>" if event.value is None else event.value


def _mod_revision(item: KeyValue | None) -> int:
    return item.mod_revision if item is not None else 0


def _name(attempt: Attempt) -> str:
    values = [each.value for each in attempt.operations if isinstance(each, Put)]
    return f"the commit of {attempt.client} ({values[0].decode() if values else 'deletes'})"
