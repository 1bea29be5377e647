"""Graceful node shutdown: the order, the pods' ends in virtual time, and a logind of our own on a private bus."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from dbus_fast import PropertyAccess
from dbus_fast.aio import MessageBus
from dbus_fast.annotations import DBusBool, DBusSignature, DBusStr, DBusUInt64, DBusUnixFd
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property, dbus_signal

from sampan.aio.clock import SystemClock
from sampan.api.errors import ServiceUnavailable
from sampan.api.kinds import core_v1
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.shutdown.logind import Logind
from sampan.kubelet.shutdown.manager import ShutdownManager
from sampan.kubelet.shutdown.plan import periods, stages
from sampan.kubelet.systembus import BusError, SystemBus

from .harness import node

INT32 = Annotated[int, DBusSignature("i")]


def config(**given: Any) -> KubeletConfig:
    return KubeletConfig(node_name="n", node_ips=("192.0.2.1",), root=Path("/r"), **given)


def pod(name: str, priority: int) -> Any:
    spec = {"containers": [], "priority": priority}
    return msgspec.convert({"metadata": {"name": name}, "spec": spec}, core_v1.Pod)


@pytest.mark.parametrize(
    ("given", "order"),
    [
        ({"shutdown_grace": 30.0, "shutdown_grace_critical": 10.0}, ["20 low,high", "10 critical"]),
        (
            {"shutdown_grace_by_priority": ((1000, 20.0), (0, 60.0), (2_000_000_000, 5.0))},
            ["60 low", "20 high", "5 critical"],
        ),
        ({"shutdown_grace_by_priority": ((500, 20.0),)}, ["20 low,high,critical"]),
    ],
)
def test_the_order(given: dict[str, Any], order: list[str]) -> None:
    pods = [pod("low", 0), pod("high", 1000), pod("critical", 2_000_000_000)]
    found = stages(pods, periods(config(**given)))
    assert [f"{stage.seconds:.0f} " + ",".join(p.metadata.name for p in stage.pods) for stage in found] == order


def test_not_configured() -> None:
    assert periods(config()) == ()


GRACE = {"shutdown_grace": 20.0, "shutdown_grace_critical": 5.0}


async def test_pods_end_in_their_order(tmp_path: Path) -> None:
    async with node(tmp_path, **GRACE) as n:
        n.pod("critical", priority=2_000_000_000, containers=[{"name": "k"}])
        n.pod("slow", containers=[{"name": "s"}])
        n.pod("quick", containers=[{"name": "q"}])
        await n.advance(1)
        n.runtime.ignores_stop = {"s"}
        ending = asyncio.ensure_future(n.kubelet.shutdown.end_all())
        await n.advance(1)
        assert n.status("quick").phase == "Failed"
        assert (n.status("quick").reason, n.status("quick").message) == (
            "Terminated",
            "Pod was terminated in response to imminent node shutdown.",
        )
        assert n.status("critical").phase == "Running", "until the others had their time"
        ready = next(c for c in n.api.peek(core_v1.Node, "n1").status.conditions if c.type == "Ready")
        assert (ready.status, ready.message) == ("False", "node is shutting down")
        n.pod("late")
        await n.advance(1)
        assert n.status("late").message == "Pod was rejected: Pod was rejected as the node is shutting down."
        await n.advance(20)
        assert n.status("slow").phase == n.status("critical").phase == "Failed"
        assert ending.done()
        n.kubelet.shutdown.tell(False)
        n.pod("again")
        await n.advance(2)
        assert n.status("again").phase == "Running"


@pytest.mark.parametrize("wanted", [False, True])
async def test_a_kubelet_that_is_told_to_stop(tmp_path: Path, wanted: bool) -> None:
    async with node(tmp_path, **GRACE, shutdown_on_stop=wanted) as n:
        n.pod()
        await n.advance(1)
        stopping = asyncio.ensure_future(n.stop())
        await n.clock.advance(30)
        await stopping
        assert (n.runtime.running() == []) == wanted


@pytest.mark.parametrize(("failures", "phase"), [(2, "Failed"), (1000, "Running")], ids=["late", "away"])
async def test_what_has_ended_is_told_before_the_kubelet_ends(tmp_path: Path, failures: int, phase: str) -> None:
    """Where the API hears it within some seconds; else the kubelet ends as it must."""
    async with node(tmp_path, **GRACE, shutdown_on_stop=True) as n:
        n.pod()
        await n.advance(1)
        n.api.fail("patch", "pods", ServiceUnavailable("away"), times=failures)
        stopping = asyncio.ensure_future(n.stop())
        await n.clock.advance(30)
        assert stopping.done()
        assert (n.status().phase, n.runtime.running()) == (phase, [])


class FakeLogind(ServiceInterface):
    """`seconds` is what it allows, `coming` what it will once it has read its files; `held` are the inhibitors' read
    ends, `given` our copies of the others."""

    def __init__(self) -> None:
        super().__init__("org.freedesktop.login1.Manager")
        self.seconds = self.coming = 5
        self.held: list[int] = []
        self.given: list[int] = []
        self.came = asyncio.Event()

    @dbus_method()
    def Inhibit(self, what: DBusStr, who: DBusStr, why: DBusStr, mode: DBusStr) -> DBusUnixFd:
        assert (what, mode) == ("shutdown", "delay")
        reading, writing = os.pipe()
        self.held.append(reading)
        self.given.append(writing)
        self.came.set()
        return writing

    @dbus_signal()
    def PrepareForShutdown(self, start: bool) -> DBusBool:
        return start

    @dbus_property(access=PropertyAccess.READ)
    def InhibitDelayMaxUSec(self) -> DBusUInt64:
        told, self.seconds = self.seconds, self.coming
        return told * 1_000_000


class FakeSystemd(ServiceInterface):
    def __init__(self, logind: FakeLogind, drop_in: Path) -> None:
        super().__init__("org.freedesktop.systemd1.Manager")
        self._logind = logind
        self._drop_in = drop_in

    @dbus_method()
    def KillUnit(self, name: DBusStr, whom: DBusStr, number: INT32):  # type: ignore[no-untyped-def]
        assert (name, number) == ("systemd-logind.service", 1)
        self._logind.coming = int(self._drop_in.read_text().rpartition("=")[2])


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="sb-"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
def address(folder: Path) -> Iterator[str]:
    """Of a bus of the test's own."""
    made = f"unix:path={folder}/bus"
    command = ["dbus-daemon", "--session", "--nofork", "--nopidfile", f"--address={made}", "--print-address=1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as daemon:
        assert daemon.stdout is not None
        daemon.stdout.readline()
        yield made
        daemon.terminate()


@pytest.fixture
async def logind(folder: Path, address: str) -> AsyncIterator[FakeLogind]:
    """A logind on that bus."""
    bus = await MessageBus(bus_address=address, negotiate_unix_fd=True).connect()
    fake = FakeLogind()
    bus.export("/org/freedesktop/login1", fake)
    bus.export("/org/freedesktop/systemd1", FakeSystemd(fake, folder / "conf.d" / "99.conf"))
    for name in ("org.freedesktop.login1", "org.freedesktop.systemd1"):
        await bus.request_name(name)
    yield fake
    bus.disconnect()


async def at_once_told(uid: str) -> None:
    """There are no pods."""


async def test_a_logind_is_held_up(
    logind: FakeLogind, address: str, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fake = logind
    bus = SystemBus(address)
    told = asyncio.Event()
    made = ShutdownManager(
        config(shutdown_grace=30.0),
        SystemClock(),
        Logind(bus, folder / "conf.d" / "99.conf"),
        workers=list,
        changed=told.set,
        told=at_once_told,
    )
    running = asyncio.create_task(made.run())
    async with asyncio.timeout(30):
        await fake.came.wait()
        assert fake.seconds == 30, "logind was told to wait for as long as pods may take"
        assert "holds up a shutdown for" not in caplog.text, "nor is it judged by what it allowed before"
        fake.PrepareForShutdown(True)
        await told.wait()
        # The bus has passed it on: now the kubelet alone has it.
        os.close(fake.given.pop())
        assert await asyncio.to_thread(os.read, fake.held[0], 1) == b"", "released when all pods have ended"
        assert made.active
        fake.came.clear()
        fake.PrepareForShutdown(False)
        await fake.came.wait()
        assert not made.active
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await bus.close()
    for descriptor in [*fake.held, *fake.given]:
        os.close(descriptor)


async def test_no_bus_at_all(folder: Path) -> None:
    with pytest.raises(BusError, match="no D-Bus at"):
        await Logind(SystemBus(f"unix:path={folder}/none")).longest_delay()
