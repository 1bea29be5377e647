"""Who is where: names, addresses and commands of the further nodes, from the cluster's options alone."""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sampan.cluster.layout import Layout
from sampan.cluster.options import Options
from sampan.cluster.switch import NAMESPACES, Outlet, Switch

BRIDGE = "sampan-nodes"
MOST_NODES = 100
NAME_FILE = "/proc/sys/kernel/hostname"


@dataclass(frozen=True, kw_only=True)
class Place:
    """The node of that number, from 2 on: the first is the machine itself."""

    number: int
    options: Options

    @property
    def name(self) -> str:
        return f"{self.options.node_name}-{self.number}"

    @property
    def address(self) -> str:
        """The machine, which is its gateway, has the first."""
        return str(ipaddress.IPv4Network(self.options.node_cidr)[self.number])

    @property
    def layout(self) -> Layout:
        return Layout(self.options.layout.nodes / str(self.number))

    @property
    def cgroup(self) -> str:
        """The control group above its pods. A dash would nest it in the first node's where systemd names slices."""
        return f"kubepods{self.number}"

    @property
    def outlet(self) -> Outlet:
        name = f"sampan-node-{self.number}"
        return Outlet(namespace=name, cable=name, address=self.address)

    def inside(self, *command: str) -> list[str]:
        """That command, in the node's network and under its host name."""
        named = f'echo "$0" > {NAME_FILE} && exec "$@"'
        network = f"--net={NAMESPACES / self.outlet.namespace}"
        return ["nsenter", network, "unshare", "--uts", "sh", "-c", named, self.name, *command]

    def sampan(self, verb: str, *arguments: str) -> list[str]:
        """That verb of Sampan's, there."""
        program = (sys.executable, "-m", "sampan")
        return self.inside(*program, verb, *arguments, "--data-dir", str(self.layout.data_dir))

    def join(self, server: str, pin: str) -> list[str]:
        """The command by which it joins; it reads the token from standard input."""
        return self.sampan(
            "join",
            server,
            *("--token-file", "-"),
            *("--ca-cert-hash", pin),
            *("--node-name", self.name),
            *("--node-ip", self.address),
            *("--cgroup-root", self.cgroup),
            *("--cni-bin-dir", self.options.cni_bin_dir),
            *(("--registry-mirrors", mirrors) if (mirrors := self.options.registry_mirrors) else ()),
            *(("--bgp-password-file", file) if (file := self.options.bgp_password_file) else ()),
        )


class Plan:
    """All further nodes of a cluster; none where the machine itself is the only one."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.switch = Switch(bridge=BRIDGE, network=ipaddress.IPv4Network(options.node_cidr))
        self.places = tuple(Place(number=number, options=options) for number in range(2, options.nodes + 1))

    def __iter__(self) -> Iterator[Place]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)

    def existing(self) -> list[Place]:
        """Those that have a data directory, wanted or not."""
        folders: list[Path] = list(self.options.layout.nodes.glob("*"))
        numbers = sorted(int(folder.name) for folder in folders if folder.name.isdigit())
        return [Place(number=number, options=self.options) for number in numbers]

    def superfluous(self) -> list[Place]:
        """Those that an earlier `up` made and this one does not want."""
        return [place for place in self.existing() if place.number > self.options.nodes]
