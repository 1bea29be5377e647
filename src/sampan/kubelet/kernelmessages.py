"""The kernel's messages about processes it has killed for want of memory, from /dev/kmsg.

A kill inside a container's limit shows as the container's OOMKilled. One for want of memory of the whole machine is
told as SystemOOM on the node, with its victim. Where the messages may not be read, the node goes on without.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger(__name__)
KMSG = Path("/dev/kmsg")
RECORD_BYTES = 8192
SYSTEM_WIDE = re.compile(r"oom-kill:constraint=CONSTRAINT_NONE,.*task=(?P<task>[^,]*),pid=(?P<pid>\d+)")


def victim(record: str) -> tuple[str, int] | None:
    """The name and pid of a process killed because the machine was out of memory; None for any other message."""
    found = SYSTEM_WIDE.search(record)
    return (found["task"], int(found["pid"])) if found else None


class KernelMessages:
    """`event(type, reason, message)` tells of the node."""

    def __init__(self, event: Callable[[str, str, str], None], path: Path = KMSG) -> None:
        self._event = event
        self._path = path
        self._descriptor = -1

    def start(self) -> None:
        """Listens from now on."""
        try:
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with contextlib.suppress(OSError):
                # From the end on: what was killed before us has been told.
                os.lseek(self._descriptor, 0, os.SEEK_END)
            asyncio.get_running_loop().add_reader(self._descriptor, self.read)
        except OSError as error:
            log.info("the kernel's messages cannot be read, so no SystemOOM is told error=%s", error)
            self.close()

    def read(self) -> None:
        """Reads what has come; each read gives one record."""
        while True:
            try:
                record = os.read(self._descriptor, RECORD_BYTES).decode(errors="replace")
            except BlockingIOError:
                return
            except BrokenPipeError:
                # The kernel has overwritten what was not read yet; the next read goes on after that.
                continue
            except OSError as error:
                log.warning("the kernel's messages cannot be read any more error=%s", error)
                self.close()
                return
            if not record:
                return
            self._tell(record)

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            asyncio.get_running_loop().remove_reader(descriptor)
            os.close(descriptor)

    def _tell(self, record: str) -> None:
        found = victim(record)
        if found is not None:
            name, pid = found
            self._event("Warning", "SystemOOM", f"System OOM encountered, victim process: {name}, pid: {pid}")
