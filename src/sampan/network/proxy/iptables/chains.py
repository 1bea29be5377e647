"""A Service's rules as chains of its own and entries in the shared ones. Pure.

Names are kube-proxy's: sixteen characters of a hash of the service port's name, its protocol and, for an endpoint, the
endpoint. An entry is (table, chain, rule); a chain of a service is always in the table nat.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from sampan.network.proxy.backend import Ports
from sampan.network.proxy.model import Endpoint, Frontend, ServicePort
from sampan.network.proxy.settings import IPV6, Settings

OWN_PREFIXES = ("KUBE-FW-", "KUBE-EXT-", "KUBE-SVC-", "KUBE-SVL-", "KUBE-SEP-")
"""Of chains that services have for themselves: none leads to one before it."""

REFUSE = {True: "-j REJECT --reject-with tcp-reset", False: "-j REJECT"}
"""By whether it is TCP: a reset reaches this machine's own clients on every route, an ICMP message does not."""


class Entry(NamedTuple):
    table: str
    chain: str
    rule: str


class Rendering(NamedTuple):
    """`chains`: name -> rules; `entries` in the order they are to be met."""

    chains: dict[str, tuple[str, ...]]
    entries: dict[Entry, None]


def render(service: str, ports: Ports, settings: Settings) -> Rendering:
    """The chains and entries of one Service (`namespace/name`)."""
    rendering = Rendering({}, {})
    for port in ports:
        _PortRules(service, port, settings, rendering).render()
    return rendering


def chain_name(kind: str, *parts: str) -> str:
    """`KUBE-SVC-` and a hash of the parts."""
    digest = base64.b32encode(hashlib.sha256("".join(parts).encode()).digest()).decode()
    return f"KUBE-{kind}-{digest[:16]}"


class _PortRules:
    def __init__(self, service: str, port: ServicePort, settings: Settings, rendering: Rendering) -> None:
        self._port = port
        self._settings = settings
        self._to = rendering
        self._name = f"{service}:{port.name}" if port.name else service
        hashed = (self._name, port.protocol)
        self._cluster, self._local, self._external, self._firewall = (
            chain_name(kind, *hashed) for kind in ("SVC", "SVL", "EXT", "FW")
        )

    def render(self) -> None:
        port = self._port
        if not port.everywhere:
            for frontend in port.frontends:
                self._refuse(frontend)
            return
        self._endpoint_chains()
        self._choosing_chain(self._cluster, port.everywhere)
        if port.internal_local or port.external_local:
            self._choosing_chain(self._local, port.here)
        if any(frontend.kind != "cluster" for frontend in port.frontends):
            self._to.chains[self._external] = tuple(self._outside_rules())
        for frontend in port.frontends:
            self._admit(frontend)

    def _admit(self, frontend: Frontend) -> None:
        port = self._port
        if frontend.kind == "cluster":
            self._admit_inside(frontend)
        elif frontend.address in port.guarded:
            self._to.chains[self._firewall] = tuple(f"-s {one} -j {self._external}" for one in port.source_ranges)
            self._entry("nat", "KUBE-SERVICES", f"{self._match(frontend)} -j {self._firewall}")
            self._entry("filter", "KUBE-PROXY-FIREWALL", f"{self._match(frontend)} -j DROP")
        else:
            chain = "KUBE-NODEPORTS" if frontend.kind == "node" else "KUBE-SERVICES"
            self._entry("nat", chain, f"{self._match(frontend)} -j {self._external}")
        if frontend.kind != "cluster" and port.external_local and not port.here:
            self._entry("filter", "KUBE-EXTERNAL-SERVICES", f"{self._match(frontend, local=True)} -j DROP")

    def _admit_inside(self, frontend: Frontend) -> None:
        port, match = self._port, self._match(frontend)
        if port.internal_local and not port.here:
            self._entry("filter", "KUBE-SERVICES", f"{match} -j DROP")
            return
        chain = self._local if port.internal_local else self._cluster
        self._entry("nat", "KUBE-SERVICES", f"{match} -j {chain}")
        strangers = "" if self._settings.masquerade_all else from_pods(self._settings, negated=True)
        if strangers or self._settings.masquerade_all:
            marking = " ".join(filter(None, (match, strangers, "-j KUBE-MARK-MASQ")))
            self._to.chains[chain] = (marking, *self._to.chains[chain])

    def _refuse(self, frontend: Frontend) -> None:
        chain = "KUBE-SERVICES" if frontend.kind == "cluster" else "KUBE-EXTERNAL-SERVICES"
        self._entry("filter", chain, f"{self._match(frontend, local=True)} {REFUSE[self._port.protocol == 'tcp']}")

    def _outside_rules(self) -> Iterator[str]:
        """Under Local, pods and the node itself may use every endpoint, others those here, under their own address."""
        if not self._port.external_local:
            yield "-j KUBE-MARK-MASQ"
            yield f"-j {self._cluster}"
            return
        if pods := from_pods(self._settings):
            yield f"{pods} -j {self._cluster}"
        yield "-m addrtype --src-type LOCAL -j KUBE-MARK-MASQ"
        yield f"-m addrtype --src-type LOCAL -j {self._cluster}"
        if self._port.here:
            yield f"-j {self._local}"

    def _choosing_chain(self, chain: str, endpoints: tuple[Endpoint, ...]) -> None:
        rules = []
        names = [self._endpoint_chain(endpoint) for endpoint in endpoints]
        if seconds := self._port.affinity:
            rules += [f"-m recent --name {name} --rcheck --seconds {seconds} --reap -j {name}" for name in names]
        for left, name in zip(range(len(names), 0, -1), names, strict=True):
            chance = f"-m statistic --mode random --probability {1 / left:.10f} " if left > 1 else ""
            rules.append(f"{chance}-j {name}")
        self._to.chains[chain] = tuple(rules)

    def _endpoint_chains(self) -> None:
        port = self._port
        for endpoint in dict.fromkeys((*port.everywhere, *port.here)):
            name = self._endpoint_chain(endpoint)
            remember = f"-m recent --name {name} --set " if port.affinity else ""
            target = place(endpoint.address, endpoint.port)
            self._to.chains[name] = (
                f"-s {endpoint.address} -j KUBE-MARK-MASQ",
                f"-p {port.protocol} {remember}-j DNAT --to-destination {target}",
            )

    def _endpoint_chain(self, endpoint: Endpoint) -> str:
        return chain_name("SEP", self._name, self._port.protocol, place(endpoint.address, endpoint.port))

    def _match(self, frontend: Frontend, *, local: bool = False) -> str:
        """Packets to the frontend; `local` for node ports outside their own chain."""
        comment = f'-m comment --comment "{self._name}"'
        where = f"-d {frontend.address} " if frontend.address else "-m addrtype --dst-type LOCAL " if local else ""
        return f"{comment} -p {self._port.protocol} {where}--dport {frontend.port}"

    def _entry(self, table: str, chain: str, rule: str) -> None:
        self._to.entries[Entry(table, chain, rule)] = None


def from_pods(settings: Settings, *, negated: bool = False) -> str:
    """What tells packets of this cluster's pods, or those of others; "" when nothing does."""
    unlike = "! " if negated else ""
    if settings.local_interface:
        return f"{unlike}-i {settings.local_interface.replace('*', '+')}"
    return f"{unlike}-s {settings.cluster_cidr}" if settings.cluster_cidr else ""


def place(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def constant_chains(settings: Settings) -> dict[tuple[str, str], tuple[str, ...]]:
    """(table, chain) -> rules of the chains that are always there; entries are added to the empty ones."""
    # In OUTPUT a packet has no incoming interface; iptables takes the match as not holding, so it is masqueraded.
    nodeports = [f"-d {one} " for one in settings.nodeport_addresses] or [""]
    aside = "" if settings.opens_loopback or settings.nodeport_addresses else f"! -d {settings.family.loopback} "
    guard = (
        f"! -s {settings.family.loopback} -d {settings.family.loopback} -m conntrack "
        "! --ctstate RELATED,ESTABLISHED,DNAT -j DROP"
    )
    # What is translated has another destination by now: what is left has no service, or not at this port.
    network = settings.service_cidr
    unused = (f"-p tcp -d {network} {REFUSE[True]}", f"-d {network} {REFUSE[False]}") if network else ()
    skipped = tuple(f"-d {address} -j RETURN" for address in settings.skip)
    return {
        ("nat", "KUBE-SERVICES"): (
            *skipped,
            *(f"{aside}{one}-m addrtype --dst-type LOCAL -j KUBE-NODEPORTS" for one in nodeports),
        ),
        ("nat", "KUBE-NODEPORTS"): (),
        ("nat", "KUBE-MARK-MASQ"): ("-j MARK --or-mark 0x4000",),
        ("nat", "KUBE-POSTROUTING"): (
            "-m mark ! --mark 0x4000/0x4000 -j RETURN",
            # Counts those who use node ports at the loopback, who always appear as the node.
            *((f"-m conntrack --ctorigdst {settings.family.loopback}",) if settings.opens_loopback else ()),
            "-j MARK --xor-mark 0x4000",
            "-j MASQUERADE --random-fully",
        ),
        ("filter", "KUBE-SERVICES"): (*skipped, *unused),
        ("filter", "KUBE-EXTERNAL-SERVICES"): (),
        ("filter", "KUBE-PROXY-FIREWALL"): (),
        ("filter", "KUBE-FIREWALL"): (guard,) if settings.opens_loopback else (),
        ("filter", "KUBE-FORWARD"): (
            "-m conntrack --ctstate INVALID -j DROP",
            "-m mark --mark 0x4000/0x4000 -j ACCEPT",
            "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        ),
    }


COUNTED = {
    "iptables_ct_state_invalid_dropped_packets": ("filter", "KUBE-FORWARD", "--ctstate INVALID -j DROP"),
    "iptables_localhost_nodeports_accepted_packets": ("nat", "KUBE-POSTROUTING", "--ctorigdst"),
}
"""kube-proxy's metric -> the place of the rule whose packets it counts, and by what that is known among the chain's."""

NEW = "-m conntrack --ctstate NEW "
JUMPS: tuple[Entry, ...] = (
    Entry("nat", "PREROUTING", "-j KUBE-SERVICES"),
    Entry("nat", "OUTPUT", "-j KUBE-SERVICES"),
    Entry("nat", "POSTROUTING", "-j KUBE-POSTROUTING"),
    Entry("filter", "INPUT", f"{NEW}-j KUBE-EXTERNAL-SERVICES"),
    Entry("filter", "INPUT", f"{NEW}-j KUBE-PROXY-FIREWALL"),
    Entry("filter", "INPUT", "-j KUBE-FIREWALL"),
    Entry("filter", "FORWARD", "-j KUBE-FORWARD"),
    Entry("filter", "FORWARD", f"{NEW}-j KUBE-SERVICES"),
    Entry("filter", "FORWARD", f"{NEW}-j KUBE-EXTERNAL-SERVICES"),
    Entry("filter", "FORWARD", f"{NEW}-j KUBE-PROXY-FIREWALL"),
    Entry("filter", "OUTPUT", f"{NEW}-j KUBE-SERVICES"),
    Entry("filter", "OUTPUT", f"{NEW}-j KUBE-PROXY-FIREWALL"),
    Entry("filter", "OUTPUT", "-j KUBE-FIREWALL"),
)
"""Rules of ours in the kernel's own chains."""


def ours(places: Iterable[tuple[str, str]], settings: Settings) -> set[tuple[str, str]]:
    """Those (table, chain) that are of our making."""
    constant = constant_chains(settings).keys()
    return {place for place in places if place[1].startswith(OWN_PREFIXES) or place in constant}


def leads(chain: str) -> int:
    """Chains of ours in this order lead to none before them: services' own, then those that are always there."""
    own = (number for number, prefix in enumerate(OWN_PREFIXES) if chain.startswith(prefix))
    return next(own, len(OWN_PREFIXES))


def target(entry: Entry) -> str:
    """Where it leads."""
    return entry.rule.rpartition("-j ")[2].partition(" ")[0]


def program(settings: Settings, verb: str = "") -> str:
    """`iptables`, `ip6tables-restore` and so on."""
    return ("ip6tables" if settings.family is IPV6 else "iptables") + (f"-{verb}" if verb else "")
