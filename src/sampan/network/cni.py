"""The pod network of one node: what the CNI plugins are told, and what the kernel must allow.

Each pod hangs on a veth pair of its own and every packet to or from it is routed (the `ptp` plugin): no bridge. With
a bridge, a pod's answer to its neighbour is switched past the packet filter, so that an address translated on the way
there is not translated back, unless br_netfilter is loaded, which not every kernel has; and a pod that meets itself
through a service needs hairpin mode. Routing has neither problem, floods nothing, and costs the same per packet.

`ptp` gives the host's end of every pair the gateway address with a /32, by which those interfaces are known as ours.
Packets that leave the cluster are masqueraded by a table of our own, `ip sampan-cni`; the plugins need no iptables
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
PLUGINS = ("ptp", "host-local", "portmap", "loopback")
FILE_NAME = "10-sampan.conflist"
TABLE = "ip sampan-cni"
PORTMAP_CHAINS = ("CNI-HOSTPORT-DNAT", "CNI-HOSTPORT-MASQ", "CNI-HOSTPORT-SETMARK")


class Unfit(Exception):
    """This machine cannot carry the pod network as asked; the text says what to do."""


@dataclass(frozen=True, slots=True)
class PodNetwork:
    """`pod_cidr`: this node's pods; `cluster_cidr`: all pods; `service_cidr`: services; `configuration`: the folder the
    runtime reads CNI files from; `state`: a folder for address leases, ours alone; `mtu`: bytes, 0 for the kernel's."""

    pod_cidr: str
    cluster_cidr: str
    service_cidr: str
    configuration: Path
    state: Path
    mtu: int = 0

    @property
    def gateway(self) -> str:
        """The first address of the range, which the host's end of every pair has."""
        return str(ipaddress.ip_network(self.pod_cidr)[1])


def render(network: PodNetwork) -> dict[str, Any]:
    """The CNI configuration list, as JSON values."""
    ptp: dict[str, Any] = {
        "type": "ptp",
        "ipMasq": False,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": network.pod_cidr, "gateway": network.gateway}]],
            "routes": [{"dst": "0.0.0.0/0"}],
            "dataDir": str(network.state),
        },
    }
    if network.mtu:
        ptp["mtu"] = network.mtu
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True}
    return {"cniVersion": "1.0.0", "name": "sampan", "plugins": [ptp, portmap]}


def masquerade_text(network: PodNetwork) -> str:
    """nft text for the table that hides pods behind the node outside the cluster; replaces what it held before."""
    inside = ", ".join(dict.fromkeys((network.cluster_cidr, network.service_cidr)))
    return (
        f"table {TABLE} {{\n"
        "  chain postrouting { type nat hook postrouting priority srcnat + 5; policy accept; }\n}\n"
        f"flush table {TABLE}\n"
        f"table {TABLE} {{\n  chain postrouting {{\n"
        f"    ip saddr {network.pod_cidr} ip daddr != {{ {inside}, 224.0.0.0/4 }} masquerade fully-random\n"
        "  }\n}\n"
    )


def check(network: PodNetwork) -> None:
    """Raises Unfit with what to do when ranges clash or plugins are missing."""
    pods, cluster = ipaddress.ip_network(network.pod_cidr), ipaddress.ip_network(network.cluster_cidr)
    if not pods.subnet_of(cluster):  # type: ignore[arg-type]
        raise Unfit(f"pod range {pods} is not within --cluster-cidr {cluster}: delete the Node to get a new range")
    if cluster.overlaps(ipaddress.ip_network(network.service_cidr)):
        raise Unfit(f"--cluster-cidr {cluster} and --service-cidr {network.service_cidr} overlap: choose another")
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
    sysctl.ensure("net.ipv4.ip_forward", "1")
    await nft.apply(masquerade_text(network))
    remarks = await forwarding.allow(network.cluster_cidr)
    network.state.mkdir(parents=True, exist_ok=True)
    network.configuration.mkdir(parents=True, exist_ok=True)
    remarks += _foreign_configurations(network)
    _write(network.configuration / FILE_NAME, json.dumps(render(network), indent=2) + "\n")
    return remarks


async def remove(network: PodNetwork) -> None:
    """Undoes `install` and what the plugins left: interfaces, table, leases, configuration; none there is no error."""
    (network.configuration / FILE_NAME).unlink(missing_ok=True)
    shutil.rmtree(network.state, ignore_errors=True)
    for name in await _host_ends(network.pod_cidr):
        await run(("ip", "link", "delete", name))
    await nft.apply(f"add table {TABLE}\ndelete table {TABLE}\n")
    await forwarding.withdraw(network.cluster_cidr)
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


async def _host_ends(pod_cidr: str) -> list[str]:
    """The veth interfaces with a single address out of the pods' range: the host's ends of our pods' pairs."""
    listing = await run(("ip", "-o", "-4", "addr", "show", "to", pod_cidr))
    lines = (line.split() for line in listing.output.splitlines())
    return sorted({line[1] for line in lines if line[1].startswith("veth") and line[3].endswith("/32")})


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
