"""Taking up a configuration file again when it changes; one that will not do leaves the last good one in force."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from sampan.aio.clock import Clock
from sampan.aio.files import Watched
from sampan.apiserver.auth import ownname

log = logging.getLogger(__name__)
LOOK_SECONDS = 1.0


class Reloader:
    """`load` takes the file up or raises ValueError. `succeeded` and `failed` count what it did.

    `last`: when each of "success" and "failure" was last, in seconds since the epoch. `taken`: the digest of what is
    in force.
    """

    def __init__(self, what: str, file: Path, load: Callable[[], None], clock: Clock) -> None:
        self.what = what
        self._file = file
        self._load = load
        self._clock = clock
        self._watched = Watched([file])
        self.succeeded = self.failed = 0
        self.last: dict[str, float] = {}
        self.taken = self._digest() if file.is_file() else ""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            self.look()

    def look(self) -> None:
        """Take the file up if it has changed."""
        if not self._watched.changed():
            return
        try:
            self._load()
        except (ValueError, OSError) as error:
            self.failed += 1
            self.last["failure"] = self._clock.now()
            log.error("configuration not taken up, the last good one stays what=%s problem=%s", self.what, error)
        else:
            self.succeeded += 1
            self.last["success"] = self._clock.now()
            self.taken = self._digest()
            log.info("configuration taken up what=%s file=%s", self.what, self._file)

    def _digest(self) -> str:
        return ownname.sha256(self._file.read_bytes())
