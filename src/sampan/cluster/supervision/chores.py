"""What a supervisor does besides keeping processes: small work that comes due, such as renewing certificates."""

from __future__ import annotations

import logging
from collections.abc import Callable

from sampan.aio.clock import Clock

log = logging.getLogger(__name__)
AGAIN_SECONDS = 60.0


class Chore:
    """`work()` must take milliseconds and gives the seconds until it is to be done again; `due` is monotonic.

    A failure is logged and the work tried again after `AGAIN_SECONDS`: it must never end its supervisor.
    """

    def __init__(self, name: str, work: Callable[[], float], clock: Clock) -> None:
        self.name = name
        self._work = work
        self._clock = clock
        self.due = clock.monotonic()

    def do_if_due(self) -> None:
        if self._clock.monotonic() < self.due:
            return
        try:
            wait = self._work()
        except Exception:
            log.exception("chore failed name=%s", self.name)
            wait = AGAIN_SECONDS
        self.due = self._clock.monotonic() + wait
