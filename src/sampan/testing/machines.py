"""The faults of machines, done to a further node of a cluster on this machine (`sampan up --nodes 3`).

machine = Machine(place)
machine.cut_off(); machine.mend()       no packet gets in or out
machine.pause(); machine.resume()       its processes and those of its pods stand still
machine.kill()                          all of them die at once, and it falls silent
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

from sampan.cluster.nodes.plan import Place
from sampan.cluster.supervision.processes import began
from sampan.cluster.switch import ip

PROCESSES = Path("/proc")


class Machine:
    """What would be the power switch and the cable of the node."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def cut_off(self) -> None:
        ip("link", "set", self.place.outlet.cable, "down")

    def mend(self) -> None:
        ip("link", "set", self.place.outlet.cable, "up")

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """As when the power goes: the cable first, so that no process can say goodbye. `sampan up` starts it anew."""
        self.cut_off()
        self._signal(signal.SIGKILL)

    def processes(self) -> list[int]:
        """Its own, those that look after its containers, and those in them."""
        found = {*self._in_its_network(), *self._in_its_folders(), *self._in_its_containers()}
        return sorted(pid for pid in found if began(pid) is not None)

    def _signal(self, number: signal.Signals) -> None:
        """Again until none is left out: one may have started another meanwhile."""
        done: set[int] = set()
        while new := set(self.processes()) - done:
            for pid in new:
                send(pid, number)
            done |= new

    def _in_its_network(self) -> Iterator[int]:
        network = self.place.outlet.file.stat().st_ino
        for pid in pids():
            try:
                if (PROCESSES / str(pid) / "ns/net").stat().st_ino == network:
                    yield pid
            except OSError:
                continue

    def _in_its_folders(self) -> Iterator[int]:
        folder = f"{self.place.layout.data_dir}/".encode()
        for pid in pids():
            try:
                if folder in (PROCESSES / str(pid) / "cmdline").read_bytes():
                    yield pid
            except OSError:
                continue

    def _in_its_containers(self) -> Iterator[int]:
        group = f"/{self.place.cgroup}"
        for pid in pids():
            try:
                lines = (PROCESSES / str(pid) / "cgroup").read_text().splitlines()
            except OSError:
                continue
            if any(group in f"{line.split(':', 2)[2]}".replace(".slice", "") for line in lines):
                yield pid


def pids() -> Iterator[int]:
    return (int(entry.name) for entry in PROCESSES.iterdir() if entry.name.isdigit())


def send(pid: int, number: signal.Signals) -> None:
    """One that has ended meanwhile is no error."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
