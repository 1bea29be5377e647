"""Upstream's answers, kept as long as they allow and no longer than a bound; the least recently used one goes first."""

from __future__ import annotations

from typing import Any

from sampan.network.dns.message import Message, lifetime

LONGEST_SECONDS = 30
"""What clusters are used to: names outside change under a running pod's feet, and a pod cannot flush this cache."""


class AnswerCache:
    """Keyed by question (name, type and class, lower case). Times are the caller's monotonic seconds."""

    def __init__(self, capacity: int = 10_000, largest: int = 4096) -> None:
        self._capacity = capacity
        self._largest = largest
        self._entries: dict[bytes, tuple[float, float, Message]] = {}
        self.hits = 0
        self.misses = 0

    def get(self, question: bytes, now: float) -> tuple[Message, int] | None:
        """The message and its age in whole seconds."""
        entry = self._entries.pop(question, None)
        if entry is None or entry[1] <= now:
            self.misses += 1
            return None
        self._entries[question] = entry
        self.hits += 1
        return entry[2], int(now - entry[0])

    def put(self, question: bytes, message: Message, now: float) -> None:
        seconds = min(lifetime(message), LONGEST_SECONDS)
        if seconds <= 0 or len(message.data) > self._largest:
            return
        self._entries.pop(question, None)
        self._entries[question] = (now, now + seconds, message)
        if len(self._entries) > self._capacity:
            del self._entries[next(iter(self._entries))]

    def statistics(self) -> dict[str, Any]:
        return {"entries": len(self._entries), "hits": self.hits, "misses": self.misses}
