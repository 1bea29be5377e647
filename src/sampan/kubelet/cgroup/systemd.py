"""Settings as properties of a systemd slice: pure. And the call that sets them.

With the systemd driver the slices are systemd's: what is written past it is undone at its next reload. So a slice is
started as a transient unit with its properties, or has them changed, over D-Bus (org.freedesktop.systemd1.Manager,
systemd.resource-control(5)). Huge pages have no property; their files are written afterwards, as the runtime does.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from sampan.kubelet.cgroup.settings import UNLIMITED, Settings
from sampan.kubelet.cgroup.weight import weight
from sampan.kubelet.systembus import BusError, variant

INFINITY = (1 << 64) - 1
MICROSECONDS = 1_000_000
SERVICE, PATH, INTERFACE = "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"
EXISTS = "org.freedesktop.systemd1.UnitExists"


class Property(NamedTuple):
    """`signature` is D-Bus's type of the value."""

    name: str
    signature: str
    value: Any


class Bus(Protocol):
    """A connection to D-Bus: `sampan.kubelet.systembus.SystemBus`."""

    async def call(self, destination: str, path: str, interface: str, member: str, signature: str, *body: Any) -> Any:
        """The answer's values; raises BusError."""
        ...


def properties(settings: Settings, *, version: int) -> list[Property]:
    found = []
    if settings.cpu_shares and version == 2:
        found.append(Property("CPUWeight", "t", weight(settings.cpu_shares)))
    elif settings.cpu_shares:
        found.append(Property("CPUShares", "t", settings.cpu_shares))
    if settings.cpu_quota == UNLIMITED:
        found.append(Property("CPUQuotaPerSecUSec", "t", INFINITY))
    elif settings.cpu_quota:
        found.append(Property("CPUQuotaPeriodUSec", "t", settings.cpu_period))
        found.append(Property("CPUQuotaPerSecUSec", "t", per_second(settings)))
    if settings.memory:
        found.append(Property("MemoryMax" if version == 2 else "MemoryLimit", "t", unlimited(settings.memory)))
    if settings.pids:
        found.append(Property("TasksMax", "t", unlimited(settings.pids)))
    return found


def per_second(settings: Settings) -> int:
    """Microseconds of CPU time for each second, rounded up to whole percents, the unit systemd counts in."""
    exact = settings.cpu_quota * MICROSECONDS // settings.cpu_period
    return -(-exact // 10_000) * 10_000


def unlimited(value: int) -> int:
    return INFINITY if value == UNLIMITED else value


class Slices:
    """`apply` makes a slice if there is none and sets its properties; `stop` ends it."""

    def __init__(self, bus: Bus, version: int) -> None:
        self._bus = bus
        self._version = version

    async def apply(self, name: str, settings: Settings) -> None:
        """`name` is the slice's path, "/kubepods.slice/kubepods-burstable.slice". Raises BusError."""
        unit = name.rsplit("/", 1)[-1]
        listed = [[p.name, variant(p.signature, p.value)] for p in properties(settings, version=self._version)]
        made = [
            *listed,
            *([key, variant("b", True)] for key in ("MemoryAccounting", "CPUAccounting", "TasksAccounting")),
        ]
        made.append(["DefaultDependencies", variant("b", False)])
        try:
            await self._call("StartTransientUnit", "ssa(sv)a(sa(sv))", unit, "replace", made, [])
        except BusError as error:
            if error.name != EXISTS:
                raise
        if listed:
            await self._call("SetUnitProperties", "sba(sv)", unit, True, listed)

    async def stop(self, name: str) -> None:
        await self._call("StopUnit", "ss", name.rsplit("/", 1)[-1], "replace")

    async def _call(self, member: str, signature: str, *body: Any) -> None:
        await self._bus.call(SERVICE, PATH, INTERFACE, member, signature, *body)
