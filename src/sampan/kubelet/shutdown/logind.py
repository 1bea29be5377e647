"""systemd-logind, as the kubelet needs it: hears of a coming shutdown, and holds it up until the pods have ended.

A delay inhibitor holds a shutdown for `InhibitDelayMaxSec` at most (5 s unless told otherwise), so that is raised by a
drop-in file of ours where it is too short (org.freedesktop.login1(5), logind.conf(5)).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sampan.kubelet.systembus import SystemBus

log = logging.getLogger(__name__)
SERVICE, PATH, MANAGER = "org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager"
PROPERTIES = "org.freedesktop.DBus.Properties"
SIGNAL = "PrepareForShutdown"
DROP_IN = Path("/etc/systemd/logind.conf.d/99-sampan-kubelet.conf")
MICRO = 1_000_000


class Logind:
    """Raises BusError where there is no logind."""

    def __init__(self, bus: SystemBus, drop_in: Path = DROP_IN) -> None:
        self._bus = bus
        self._drop_in = drop_in
        self._inhibitor: int | None = None

    async def longest_delay(self) -> float:
        """Seconds that logind lets a shutdown be held up."""
        body = await self._bus.call(SERVICE, PATH, PROPERTIES, "Get", "ss", MANAGER, "InhibitDelayMaxUSec")
        return int(body[0].value) / MICRO

    async def allow(self, seconds: float) -> float:
        """Has logind hold up shutdowns for so long; returns what it then allows. Raises OSError, too."""
        if await self.longest_delay() < seconds:
            self._drop_in.parent.mkdir(parents=True, exist_ok=True)
            self._drop_in.write_text(f"# Written by sampan.\n[Login]\nInhibitDelayMaxSec={seconds:.0f}\n")
            systemd = "org.freedesktop.systemd1"
            unit = ("systemd-logind.service", "main", 1)
            await self._bus.call(
                systemd, "/org/freedesktop/systemd1", f"{systemd}.Manager", "KillUnit", "ssi", unit[0], unit[1], 1
            )
        return await self.longest_delay()

    async def inhibit(self) -> None:
        """Holds up the next shutdown until `release`."""
        names = ("shutdown", "sampan kubelet", "pods are to end in order", "delay")
        body = await self._bus.call(SERVICE, PATH, MANAGER, "Inhibit", "ssss", *names)
        self._inhibitor = int(body[0])

    def release(self) -> None:
        """Lets the machine shut down."""
        if self._inhibitor is not None:
            os.close(self._inhibitor)
            self._inhibitor = None

    async def listen(self, told: Callable[[bool], None]) -> None:
        """Calls `told(True)` when the machine is about to shut down, `told(False)` when that was called off."""

        def heard(member: str, values: list[Any]) -> None:
            if member == SIGNAL and values:
                told(bool(values[0]))

        rule = f"type='signal',interface='{MANAGER}',member='{SIGNAL}',path='{PATH}'"
        await self._bus.listen(rule, heard)

    async def closed(self) -> None:
        """Returns when the connection has ended."""
        await self._bus.closed()
