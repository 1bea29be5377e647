"""Upstream's answers, kept as long as they allow and no longer than a bound; the least recently used one goes first."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sampan.network.dns.message import Message, lifetime

KINDS = ("success", "denial")
LONGEST_SECONDS = 30
"""What clusters are used to: names outside change under a running pod's feet, and a pod cannot flush this cache."""


Key = tuple[bytes, int]
"""A question (name, type and class, lower case) and what is wished besides (`wire.Query.wish`)."""


class AnswerCache:
    """Times are the caller's monotonic seconds."""

    def __init__(self, capacity: int = 10_000, largest: int = 4096) -> None:
        self._capacity = capacity
        self._largest = largest
        self._entries: dict[Key, tuple[float, float, Message]] = {}
        self._hits = Counter[str]()
        self._misses = 0

    def get(self, key: Key, now: float, *, again: bool = False) -> tuple[Message, int] | None:
        """The message and its age in whole seconds; `again`: counted already."""
        entry = self._entries.pop(key, None)
        if entry is None or entry[1] <= now:
            self._misses += not again
            return None
        self._entries[key] = entry
        self._hits[_kind(entry[2])] += not again
        return entry[2], int(now - entry[0])

    def put(self, key: Key, message: Message, now: float) -> None:
        seconds = min(lifetime(message), LONGEST_SECONDS)
        if seconds <= 0 or len(message.data) > self._largest:
            return
        self._entries.pop(key, None)
        self._entries[key] = (now, now + seconds, message)
        if len(self._entries) > self._capacity:
            del self._entries[next(iter(self._entries))]

    def statistics(self) -> dict[str, Any]:
        """By what they say: "success" or "denial", as CoreDNS tells them apart."""
        entries = Counter(_kind(message) for _, _, message in self._entries.values())
        return {
            "entries": {kind: entries[kind] for kind in KINDS},
            "hits": {kind: self._hits[kind] for kind in KINDS},
            "misses": self._misses,
        }


def _kind(message: Message) -> str:
    return KINDS[message.is_denial]
