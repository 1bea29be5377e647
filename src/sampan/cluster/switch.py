"""A bridge of this machine with network namespaces on it: machines that are not there.

What is there stays as it is, so that whoever runs in a namespace is not disturbed by a second `ensure`.
"""

from __future__ import annotations

import ctypes
import ipaddress
import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sampan.cluster.errors import ClusterError
from sampan.network import sysctl

CLONE_NEWNET = 0x40000000
FORWARDING = "net.ipv4.ip_forward"
NAMESPACES = Path("/run/netns")


@dataclass(frozen=True, kw_only=True)
class Outlet:
    """A namespace, its address, and `cable`, this machine's end of its only interface."""

    namespace: str
    cable: str
    address: str

    @property
    def file(self) -> Path:
        return NAMESPACES / self.namespace


@dataclass(frozen=True, kw_only=True)
class Switch:
    """This machine has the first address of `network` on the bridge, and is everybody's gateway."""

    bridge: str
    network: ipaddress.IPv4Network

    @property
    def gateway(self) -> str:
        return str(self.network[1])

    def ensure(self, outlets: Iterable[Outlet]) -> None:
        """Makes what is missing. Raises ClusterError with what `ip` said, and OSError."""
        sysctl.ensure(FORWARDING, "1")
        if not interface(self.bridge):
            ip("link", "add", self.bridge, "type", "bridge")
            ip("addr", "add", f"{self.gateway}/{self.network.prefixlen}", "dev", self.bridge)
            ip("link", "set", self.bridge, "up")
        for outlet in outlets:
            if not outlet.file.exists() or not interface(outlet.cable):
                discard(outlet)
                self._make(outlet)

    def remove(self, outlets: Iterable[Outlet]) -> None:
        """Takes those away, and the bridge."""
        for outlet in outlets:
            discard(outlet)
        if interface(self.bridge):
            ip("link", "delete", self.bridge)

    def _make(self, outlet: Outlet) -> None:
        name = outlet.namespace
        ip("netns", "add", name)
        ip("link", "add", outlet.cable, "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("link", "set", outlet.cable, "master", self.bridge, "up")
        # Where bridged packets pass the packet filter (br_netfilter), one that a node port here sends back to the node
        # it came from is bridged, and would be dropped at the port it came in by.
        ip("link", "set", outlet.cable, "type", "bridge_slave", "hairpin", "on")
        ip("-n", name, "link", "set", "lo", "up")
        ip("-n", name, "addr", "add", f"{outlet.address}/{self.network.prefixlen}", "dev", "eth0")
        ip("-n", name, "link", "set", "eth0", "up")
        ip("-n", name, "route", "add", "default", "via", self.gateway)


def enter(outlet: Outlet) -> None:
    """This process is in that network from now on; call it before any thread is started. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    with outlet.file.open() as there:
        if libc.setns(there.fileno(), CLONE_NEWNET):
            code = ctypes.get_errno()
            raise OSError(code, f"cannot enter {outlet.file}: {os.strerror(code)}")


def discard(outlet: Outlet) -> None:
    """Deleting the interface first: a namespace goes only when its last process has ended."""
    if interface(outlet.cable):
        ip("link", "delete", outlet.cable)
    if outlet.file.exists():
        ip("netns", "delete", outlet.namespace)


def interface(name: str) -> bool:
    """Whether this machine has one of that name."""
    return (Path("/sys/class/net") / name).exists()


def ip(*words: str) -> None:
    """Raises ClusterError with its words."""
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"`ip {' '.join(words)}` failed: {done.stderr.strip()}; `sampan down` removes what there is")
