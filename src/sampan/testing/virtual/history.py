"""What was stored, in order: one line a change, and a digest by which two runs are compared."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from sampan.store import keys
from sampan.store.interface import Event, Store, Watch


@dataclass(frozen=True)
class Line:
    """One change: when (virtual epoch seconds), at which revision, of which key, and how."""

    at: float
    revision: int
    what: str
    key: str

    def __str__(self) -> str:
        return f"{self.at:.3f} {self.revision} {self.what} {self.key}"


class History:
    """Follows a store from its present revision; `keep` False keeps the digest and the count only. `observers` are
    called with every change."""

    def __init__(self, store: Store, *, keep: bool) -> None:
        self._watch: Watch = store.watch(keys.ROOT, keys.end(keys.ROOT), from_revision=store.revision)
        self._digest = hashlib.sha256()
        self._keep = keep
        self.lines: list[Line] = []
        self.observers: list[Callable[[Event], None]] = []
        self.changes = 0

    async def run(self, now: Callable[[], float]) -> None:
        """Until the store closes; `now()` gives the time."""
        async for events in self._watch:
            for event in events:
                what = "delete" if event.value is None else ("update" if event.version > 1 else "create")
                self._digest.update(b"%d %b " % (event.revision, event.key.encode()))
                self._digest.update(event.value or b"")
                self.changes += 1
                for observer in self.observers:
                    observer(event)
                if self._keep:
                    self.lines.append(Line(now(), event.revision, what, event.key))

    def close(self) -> None:
        self._watch.close()

    def digest(self) -> str:
        """Of every change so far, contents included, in hexadecimal."""
        return self._digest.copy().hexdigest()
