"""The pod network of one node: what the CNI plugins are told, and what the kernel must allow.

Each pod hangs on a veth pair of its own and every packet to or from it is routed (the `ptp` plugin): no bridge. With
a bridge, a pod's answer to its neighbour is switched past the packet filter, so that an address translated on the way
there is not translated back, unless br_netfilter is loaded, which not every kernel has; and a pod that meets itself
through a service needs hairpin mode. Routing has neither problem, floods nothing, and costs the same per packet.

`ptp` gives the host's end of every pair the gateway address with a /32, by which those interfaces are known as ours.
Packets that leave the cluster are masqueraded by a table of our own, `sampan-cni`; the plugins need no iptables
except for hostPorts (`portmap`).
Source: CNI specification 1.0.0; containernetworking-plugins 1.1 ("ptp", "host-local", "portmap").
"""

from __future__ import annotations

import ipaddress
import json
import logging
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sampan.network import forwarding, hostroute, nft, sysctl
from sampan.network.command import run

log = logging.getLogger(__name__)

PLUGIN_FOLDER = Path("/usr/lib/cni")
PLUGINS = ("ptp", "host-local", "portmap", "bandwidth", "loopback")
FILE_NAME = "10-sampan.conflist"
FAMILIES = {4: ("ip", "0.0.0.0/0", "224.0.0.0/4"), 6: ("ip6", "::/0", "ff00::/8")}
"""IP version -> nft's family, everything, and multicast."""
TABLE = "sampan-cni"
SWITCHES = {4: "net.ipv4.ip_forward", 6: "net.ipv6.conf.all.forwarding"}
PORTMAP_CHAINS = ("CNI-HOSTPORT-DNAT", "CNI-HOSTPORT-MASQ", "CNI-HOSTPORT-SETMARK")


Range = ipaddress.IPv4Network | ipaddress.IPv6Network


class Unfit(Exception):
    """This machine cannot carry the pod network as asked; the text says what to do."""


@dataclass(frozen=True, slots=True)
class PodNetwork:
    """`pod_cidr`: this node's pods; `cluster_cidr`: all pods; `service_cidr`: services. Each is one range or, with a
    comma, one of each address family, the main one first. `unhidden`: networks outside to which pods go under their own
    addresses, which must know the way back. `configuration`: the folder the runtime reads CNI files from;
    `state`: a folder for address leases, ours alone; `mtu`: bytes, 0 for the kernel's."""

    pod_cidr: str
    cluster_cidr: str
    service_cidr: str
    configuration: Path
    state: Path
    mtu: int = 0
    unhidden: str = ""

    @property
    def ranges(self) -> list[Range]:
        """This node's pods."""
        return split(self.pod_cidr)


def split(cidrs: str) -> list[Range]:
    """The ranges in a text with commas. Raises ValueError."""
    return [ipaddress.ip_network(cidr.strip()) for cidr in cidrs.split(",")]


def gateway(pods: Range) -> str:
    """The first address of a range, which the host's end of every pair has."""
    return str(pods[1])


def render(network: PodNetwork) -> dict[str, Any]:
    """The CNI configuration list, as JSON values."""
    ptp: dict[str, Any] = {
        "type": "ptp",
        "ipMasq": False,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": str(pods), "gateway": gateway(pods)}] for pods in network.ranges],
            "routes": [{"dst": FAMILIES[pods.version][1]} for pods in network.ranges],
            "dataDir": str(network.state),
        },
    }
    if network.mtu:
        ptp["mtu"] = network.mtu
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True}
    bandwidth = {"type": "bandwidth", "capabilities": {"bandwidth": True}}
    return {"cniVersion": "1.0.0", "name": "sampan", "plugins": [ptp, portmap, bandwidth]}


def masquerade_text(network: PodNetwork) -> str:
    """nft text for the tables that hide pods behind the node outside the cluster; replaces what they held before."""
    return "".join(_masquerade(network, pods) for pods in network.ranges)


def _masquerade(network: PodNetwork, pods: Range) -> str:
    family, _, multicast = FAMILIES[pods.version]
    given = (network.cluster_cidr, network.service_cidr, *filter(None, (network.unhidden,)))
    known = [each for cidrs in given for each in split(cidrs) if each.version == pods.version]
    inside = ", ".join(map(str, ipaddress.collapse_addresses(known)))  # type: ignore[type-var]
    return (
        f"table {family} {TABLE} {{\n"
        "  chain postrouting { type nat hook postrouting priority srcnat + 5; policy accept; }\n}\n"
        f"flush table {family} {TABLE}\n"
        f"table {family} {TABLE} {{\n  chain postrouting {{\n"
        f"    {family} saddr {pods} {family} daddr != {{ {inside}, {multicast} }} masquerade fully-random\n"
        "  }\n}\n"
    )


def check(network: PodNetwork) -> None:
    """Raises Unfit with what to do when ranges clash or plugins are missing."""
    cluster, services = split(network.cluster_cidr), split(network.service_cidr)
    for pods in network.ranges:
        if not any(pods.version == each.version and pods.subnet_of(each) for each in cluster):  # type: ignore[arg-type]
            raise Unfit(f"pod range {pods} is not within --cluster-cidr {network.cluster_cidr}: delete its Node")
    for one in cluster:
        for other in services:
            if one.version == other.version and one.overlaps(other):
                raise Unfit(f"--cluster-cidr {one} and --service-cidr {other} overlap: choose another")
    missing = [name for name in PLUGINS if not (PLUGIN_FOLDER / name).exists()]
    if missing:
        lacking = f"CNI plugins {', '.join(missing)} are not in {PLUGIN_FOLDER}"
        raise Unfit(f"{lacking}: apt-get install containernetworking-plugins")


async def install(network: PodNetwork) -> list[str]:
    """Makes the node ready to carry pods; idempotent. Returns remarks for a person (foreign firewalls met, ...).

    The configuration file is written last: the runtime reports the network ready when it is there. Raises Unfit,
    OSError or Unusable.
    """
    check(network)
    for pods in network.ranges:
        sysctl.ensure(SWITCHES[pods.version], "1")
    await nft.apply(masquerade_text(network))
    remarks = [remark for cidr in split(network.cluster_cidr) for remark in await forwarding.allow(str(cidr))]
    network.state.mkdir(parents=True, exist_ok=True)
    network.configuration.mkdir(parents=True, exist_ok=True)
    remarks += _foreign_configurations(network)
    _write(network.configuration / FILE_NAME, json.dumps(render(network), indent=2) + "\n")
    return remarks


async def remove(network: PodNetwork) -> None:
    """Undoes `install` and what the plugins left: interfaces, table, leases, configuration; none there is no error."""
    (network.configuration / FILE_NAME).unlink(missing_ok=True)
    shutil.rmtree(network.state, ignore_errors=True)
    for name in await _host_ends(network.ranges[0]):
        await run(("ip", "link", "delete", name))
    for family, _, _ in FAMILIES.values():
        await nft.apply(f"add table {family} {TABLE}\ndelete table {family} {TABLE}\n")
    for cidr in split(network.cluster_cidr):
        await forwarding.withdraw(str(cidr))
    await hostroute.remove()
    await _remove_portmap_chains()


def _foreign_configurations(network: PodNetwork) -> list[str]:
    """The runtime takes the first file by name; one that sorts before ours takes the network from us."""
    others = [path.name for path in sorted(network.configuration.glob("*.conf*")) if path.name < FILE_NAME]
    return [f"{network.configuration / others[0]} comes before {FILE_NAME} and is used instead"] if others else []


def _write(path: Path, text: str) -> None:
    if path.exists() and path.read_text() == text:
        return
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text)
    partial.replace(path)


async def _host_ends(pods: Range) -> list[str]:
    """The veth interfaces with a single address out of the pods' range: the host's ends of our pods' pairs."""
    listing = await run(("ip", "-o", f"-{pods.version}", "addr", "show", "to", str(pods)))
    lines = (line.split() for line in listing.output.splitlines())
    alone = f"/{pods.max_prefixlen}"
    return sorted({line[1] for line in lines if line[1].startswith("veth") and line[3].endswith(alone)})


async def _remove_portmap_chains() -> None:
    """`portmap` leaves its three chains behind, empty, in iptables' nat table; those of others are not touched."""
    if shutil.which("iptables") is None:
        return
    for command in ("iptables", "ip6tables"):
        listing = await run((command, "-w", "-t", "nat", "-S"))
        rules = listing.output.splitlines()
        if listing.code or any(line.startswith("-A CNI-HOSTPORT-DNAT") for line in rules):
            continue
        for line in rules:
            if line.startswith("-A ") and any(chain in line.split() for chain in PORTMAP_CHAINS):
                await run((command, "-w", "-t", "nat", "-D", *shlex.split(line)[1:]))
        for chain in PORTMAP_CHAINS:
            if f"-N {chain}" in rules:
                await run((command, "-w", "-t", "nat", "-X", chain))
