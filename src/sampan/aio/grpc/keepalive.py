"""Whether the server still lives: who has been silent for a while with calls open is asked, and has to answer."""

from __future__ import annotations

import enum

PING_SECONDS, PONG_SECONDS = 6.0, 3.0
"""etcd ends connections that ping more often than every 5 s (--grpc-keepalive-min-time)."""
LATE_SECONDS = 1.0


class Duty(enum.Enum):
    NOTHING = "nothing"
    PING = "ping"
    GIVE_UP = "give up"


class KeepAlive:
    """Instants are seconds of any one clock; `heard` is set by whoever receives."""

    def __init__(self, now: float) -> None:
        self.heard = False
        self._looked = self._heard_at = now
        self._pinged_at: float | None = None

    def look(self, now: float, *, busy: bool) -> Duty:
        """What is to be done; to be asked several times a second."""
        # When this process was stopped, or slow, what has come meanwhile may not have been looked at.
        if self.heard or now - self._looked > LATE_SECONDS:
            self.heard, self._heard_at, self._pinged_at = False, now, None
        self._looked = now
        if self._pinged_at is not None:
            return Duty.GIVE_UP if now - self._pinged_at >= PONG_SECONDS else Duty.NOTHING
        if not busy or now - self._heard_at < PING_SECONDS:
            return Duty.NOTHING
        self._pinged_at = now
        return Duty.PING
