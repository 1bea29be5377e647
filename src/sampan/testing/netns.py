"""Network namespaces for tests: programs on machines of their own, with a switch between them that can misbehave.

`enter` puts this process itself into a fresh network and mount namespace, with a bridge in it; a `Machine` is another
network namespace on that bridge. None has a name, so the kernel takes all of it away with the last process in it,
however that ends, and nothing of the machine's own network is touched. Call `enter` before anything starts a thread.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import time
from pathlib import Path

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
NETWORK = "10.77.0"
HUB = f"{NETWORK}.1"
PROGRAMS = ("ip", "nft", "nsenter", "unshare", "setpriv", "mount")
TABLE = "table inet faults { chain in { type filter hook input priority 0; }; }"


def missing() -> str:
    """Why namespaces cannot be made here, "" when they can."""
    if os.geteuid() != 0:
        return "network namespaces are made by root alone: run this as root"
    absent = [program for program in PROGRAMS if shutil.which(program, path=_path()) is None]
    return f"these programs are missing: {', '.join(absent)}" if absent else ""


def enter() -> None:
    """From here on this process is in namespaces of its own; raises OSError, subprocess.CalledProcessError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET | CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    run("mount", "--make-rprivate", "/")
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "hub", "type", "bridge", "forward_delay", "0")
    run("ip", "addr", "add", f"{HUB}/24", "dev", "hub")
    run("ip", "link", "set", "hub", "up")


def run(*command: str) -> None:
    """Raises subprocess.CalledProcessError with what the program said."""
    environment = {**os.environ, "PATH": _path()}
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=20, env=environment)


def _path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


class Machine:
    """A network namespace at `address`, held by a process that does nothing."""

    def __init__(self, number: int) -> None:
        self.address = f"{NETWORK}.{number}"
        self._port = f"port{number}"
        self._holder = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "sleep", "infinity"])
        self._await_namespace()
        run("ip", "link", "add", self._port, "type", "veth", "peer", "name", "eth0", "netns", str(self._holder.pid))
        run("ip", "link", "set", self._port, "master", "hub", "up")
        self.run("ip", "addr", "add", f"{self.address}/24", "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")
        self.run("ip", "link", "set", "lo", "up")
        self.run("nft", TABLE)

    def _await_namespace(self) -> None:
        ours = Path("/proc/self/ns/net").readlink()
        until = time.monotonic() + 10
        while Path(f"/proc/{self._holder.pid}/ns/net").readlink() == ours:
            if time.monotonic() > until or self._holder.poll() is not None:
                raise RuntimeError("a network namespace could not be made")
            time.sleep(0.01)

    @property
    def prefix(self) -> list[str]:
        """What a command begins with that is to run on this machine; it dies with the harness."""
        return ["setpriv", "--pdeathsig", "KILL", "nsenter", f"--net=/proc/{self._holder.pid}/ns/net", "--"]

    def run(self, *command: str) -> None:
        run(*self.prefix, *command)

    def unplug(self) -> None:
        """Nothing comes or goes, and nobody is told."""
        run("ip", "link", "set", self._port, "down")

    def plug(self) -> None:
        run("ip", "link", "set", self._port, "up")

    def deafen(self, *others: Machine) -> None:
        """What others send is dropped; what this machine sends arrives."""
        for other in others:
            self.run("nft", f"add rule inet faults in ip saddr {other.address} drop")

    def refuse(self, *others: Machine) -> None:
        """Others' connections are reset."""
        for other in others:
            self.run("nft", f"add rule inet faults in ip saddr {other.address} tcp flags != rst reject with tcp reset")

    def mend(self) -> None:
        self.run("nft", "flush chain inet faults in")
        self.plug()

    def close(self) -> None:
        self._holder.kill()
        self._holder.wait()


def partition(one: list[Machine], other: list[Machine]) -> None:
    """No way between the machines of one side and those of the other."""
    for machine in one:
        machine.deafen(*other)
    for machine in other:
        machine.deafen(*one)
