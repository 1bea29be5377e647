"""Queries that wait for others' answers: bounded in all and for each client, so that one cannot have all there is."""

from __future__ import annotations

from collections import Counter

AT_ONCE = 4000
CLIENT_AT_ONCE = 500
"""Half of the questions that may be under way to other servers."""


class Outstanding:
    """Clients are told by their addresses: a pod is one, by whatever ports and protocols it asks."""

    def __init__(self, at_once: int = AT_ONCE, client_at_once: int = CLIENT_AT_ONCE) -> None:
        self._at_once = at_once
        self._client_at_once = client_at_once
        self._clients: Counter[str] = Counter()
        self.now = 0
        self.ever = 0

    def take(self, client: str) -> bool:
        """Whether there is room for one more of this client's, which then is to be given back by `give`."""
        if self.now >= self._at_once or self._clients[client] >= self._client_at_once:
            return False
        self._clients[client] += 1
        self.now += 1
        self.ever += 1
        return True

    def give(self, client: str) -> None:
        self.now -= 1
        self._clients[client] -= 1
        if not self._clients[client]:
            del self._clients[client]
