"""What clients did and saw, with the order of their calls and returns.

All clients live in one event loop, so a counter tells which of two moments came first. Each commit that changes
anything puts a value that no other commit puts: a revision therefore tells whose commit it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from sampan.store.interface import Compare, Event, KeyValue, Operation

Outcome = Literal["pending", "succeeded", "refused", "conflicted", "unknown", "failed"]
"""`unknown`: it may have taken place, or yet take place; `failed`: the store said that it did not; `conflicted`: it was
refused because a compare did not hold, at a revision that was not told."""
LEASED = "/leased/"
"""Keys below this may vanish by themselves, when their lease ends."""


class Attempt(msgspec.Struct):
    """A commit that was called at moment `called` and answered at `returned` (0: never).

    `revision` is 0 for what was acknowledged without one: a deletion over the API.
    """

    client: str
    compares: Sequence[Compare]
    operations: Sequence[Operation]
    called: int
    returned: int = 0
    outcome: Outcome = "pending"
    revision: int = 0
    found: Mapping[str, KeyValue | None] = {}


class Read(msgspec.Struct):
    """All keys in `[start, end)`, as read; `revision` is the one the store said they are of."""

    client: str
    start: str
    end: str
    called: int
    returned: int
    revision: int
    items: Sequence[KeyValue]


class Sight(msgspec.Struct):
    """What one watcher saw without a break: everything in its range after `start_revision`, up to `reached`."""

    client: str
    start: str
    end: str
    start_revision: int
    reached: int
    events: list[Event] = []
    went_back: list[int] = []
    """Revisions said to be reached that were lower than one before."""


class History(msgspec.Struct):
    """`log` is what a watcher saw that nothing was kept from: all changes after `base`, in order."""

    base: int = 0
    moment: int = 0
    attempts: list[Attempt] = []
    reads: list[Read] = []
    sights: list[Sight] = []
    log: list[Event] = []
    initial: dict[str, KeyValue] = {}
    final: Read | None = None
    complete: int = 0
    """The last revision of which the log is known to have all; 0: of the last in it."""

    def now(self) -> int:
        """The present moment, later than any before."""
        self.moment += 1
        return self.moment

    def succeeded(self) -> int:
        """Commits acknowledged so far."""
        return sum(attempt.outcome == "succeeded" for attempt in self.attempts)
