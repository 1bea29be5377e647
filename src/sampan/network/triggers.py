"""When what a Service's endpoints say came about: the start of the network programming latency.

The endpoint slice controller writes it into an annotation. Only what changes while we watch counts: the annotations of
the first list tell of long ago.
Source: sig-scalability, "Network programming latency SLI".
"""

from __future__ import annotations

from typing import Any

from sampan.aio.clock import parse_timestamp

ANNOTATION = "endpoints.kubernetes.io/last-change-trigger-time"


class Triggers:
    def __init__(self, since: float) -> None:
        self._since = since
        self._pending: list[float] = []

    def note(self, old: Any, new: Any) -> None:
        """A slice has changed."""
        moment = _moment(new)
        if moment is not None and moment != _moment(old) and moment > self._since:
            self._pending.append(moment)

    def take(self) -> list[float]:
        """The moments noted since the last call, in seconds since the epoch."""
        found, self._pending = self._pending, []
        return found


def _moment(piece: Any) -> float | None:
    text = (piece.metadata.annotations or {}).get(ANNOTATION) if piece is not None else None
    try:
        return parse_timestamp(text) if text else None
    except ValueError:
        return None
