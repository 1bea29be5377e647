"""The constant part of the table: maps, base chains and the chains that verdicts lead to, as nft text.

    prerouting, output -> dispatch -> @services   -> cluster-tcp-3       -> dnat by @tcp-endpoints
                                   -> @nodeports  -> external-udp-node-2 -> dnat by @udp-endpoints-node
                                   -> @services   -> local-policy -> @inside or @outside -> ...
                                   -> @services   -> guard -> @admitted -> ...
    postrouting -> translated -> (remember the client's endpoint) -> masquerade where the reply would miss us

Chains that choose an endpoint are made as they are needed, one for each number of endpoints and way of treating the
source (`Variant`). Endpoints have a map for each protocol, because nft ties a port in a map to the protocol it was
declared with. A mark bit carries the wish to masquerade from the choice to postrouting, as everybody's proxy does.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Literal, NamedTuple

from sampan.network.proxy.settings import IPV6, Family, Settings

TABLE = "sampan-proxy"
MASQUERADE = 0x4000
REMEMBERED_CLIENTS = 1 << 18


Source = Literal["cluster", "external", "plain"]


class Variant(NamedTuple):
    """A way to treat a connection. `source`: "cluster" masquerades clients outside the pod network, "external" every
    client, "plain" none. `local`: only endpoints on this node. `node`: found by node port. `sticky`: the client's last
    endpoint first. `choices`: endpoints to choose from."""

    source: Source
    local: bool
    node: bool
    sticky: bool
    protocol: str
    choices: int

    @property
    def chain(self) -> str:
        return _chain_name(self)

    @property
    def endpoints(self) -> str:
        """The map this variant chooses from."""
        return endpoints_map(self.protocol, local=self.local, node=self.node)


@lru_cache(1024)
def _chain_name(variant: Variant) -> str:
    """Few, but asked for with every service."""
    named = {"sticky": variant.sticky, variant.source: True, variant.protocol: True}
    flags = named | {"local": variant.local, "node": variant.node}
    return "-".join([word for word, holds in flags.items() if holds] + [str(variant.choices)])


def endpoint_chain(variant: Variant, settings: Settings) -> list[str]:
    """The rules of the chain that sends a connection to one of `variant.choices` endpoints, each as likely."""
    family = settings.family.table
    rules = []
    if variant.source == "external" or (variant.source == "cluster" and settings.masquerade_all):
        rules.append(_mark())
    elif variant.source == "cluster" and (pods := _from_pods(settings, "!= ")):
        rules.append(f"{pods} {_mark()}")
    if variant.sticky:
        rules.append(f"dnat {family} to {family} saddr . {_service_key(family)} map @affinity")
    key = f"{variant.protocol} dport . numgen random mod {variant.choices}"
    where = "" if variant.node else f"{family} daddr . "
    rules.append(f"dnat {family} to {where}{key} map @{variant.endpoints}")
    return rules


def remember_chain(seconds: int, settings: Settings) -> list[str]:
    """The rule that notes where a client was sent, for that many seconds after its last connection; for IPv6 none in
    nft's language (`remembering`)."""
    if settings.family is IPV6:
        return []
    family = settings.family.table
    key = f"{family} saddr . ct original {family} daddr . meta l4proto . ct original proto-dst"
    update = f"update @affinity {{ {key} timeout {seconds}s : {family} daddr . th dport }}"
    return [f"meta l4proto {{ tcp, udp, sctp }} {update}"]


def maps(settings: Settings) -> dict[str, str]:
    """Every map and set but `affinity`: name -> its declaration, beginning with the word map or set."""
    family = settings.family
    service = f"{family.address} . inet_proto . inet_service"
    node = "inet_proto . inet_service"
    verdicts = dict.fromkeys(SERVICE_MAPS, f"map {{ type {service} : verdict; }}")
    verdicts |= dict.fromkeys(NODE_MAPS, f"map {{ type {node} : verdict; }}")
    return verdicts | {
        **_endpoint_maps(family),
        "cluster-ips": f"set {{ type {family.address}; }}",
        "hairpin": f"set {{ type {family.address} . {family.address}; }}",
        "source-ranges": f"set {{ type {service} . {family.address}; flags interval; }}",
    }


def endpoints_map(protocol: str, *, local: bool, node: bool) -> str:
    return f"{'local-' if local else ''}{protocol}-endpoints{'-node' if node else ''}"


def _endpoint_maps(family: Family) -> dict[str, str]:
    declarations = {}
    for protocol in PROTOCOLS:
        by_node = f"{protocol} dport . numgen random mod 2 : {family.table} daddr . {protocol} dport"
        for local in (False, True):
            declarations[endpoints_map(protocol, local=local, node=True)] = f"map {{ typeof {by_node}; }}"
            by_service = f"{family.table} daddr . {by_node}"
            declarations[endpoints_map(protocol, local=local, node=False)] = f"map {{ typeof {by_service}; }}"
    return declarations


PROTOCOLS = ("tcp", "udp", "sctp")
SERVICE_MAPS = ("services", "inside", "outside", "admitted", "affinity-timeouts")
NODE_MAPS = ("nodeports", "inside-node", "outside-node", "affinity-timeouts-node")


def affinity_map(settings: Settings) -> str:
    """The map the kernel itself fills: client, service -> endpoint. It outlives a replacement of all else."""
    address = settings.family.address
    kinds = f"{address} . {address} . inet_proto . inet_service : {address} . inet_service"
    return f"map {{ type {kinds}; flags dynamic,timeout; size {REMEMBERED_CLIENTS}; }}"


def base_chains(settings: Settings) -> dict[str, str]:
    """Chain -> the hook it hangs on."""
    hooks = {
        "prerouting": "type nat hook prerouting priority dstnat; policy accept;",
        "output": "type nat hook output priority -100; policy accept;",
        "postrouting": "type nat hook postrouting priority srcnat; policy accept;",
    }
    if settings.opens_loopback:
        hooks["loopback-guard"] = "type filter hook prerouting priority raw; policy accept;"
    return hooks


def constant_rules(settings: Settings) -> dict[str, list[str]]:
    """Chain -> rules, for every chain that is there from the start."""
    family = settings.family.table
    rules = {
        "prerouting": ["jump dispatch"],
        "output": ["jump dispatch"],
        "postrouting": ["ct status dnat jump translated"],
        "dispatch": _dispatch(settings),
        "refuse": ["meta l4proto tcp reject with tcp reset", "reject"],
        "guard": [
            f"{_service_key(family)} . {family} saddr != @source-ranges drop",
            f"{_service_key(family)} vmap @admitted",
        ],
        "translated": _translated(settings),
        **_local_policy(settings, "", _service_key(family)),
        **_local_policy(settings, "-node", "meta l4proto . th dport"),
    }
    if settings.opens_loopback:
        # With route_localnet on, a neighbour could otherwise reach what listens on 127.0.0.1 (CVE-2020-8558).
        rules["loopback-guard"] = [f'iifname != "lo" {family} daddr {settings.family.loopback} drop']
    return rules


def chain_text(name: str, rules: Iterable[str], hook: str = "") -> str:
    lines = [f"  chain {name} {{"] + ([f"    {hook}"] if hook else []) + [f"    {rule}" for rule in rules] + ["  }"]
    return "\n".join(lines)


def _dispatch(settings: Settings) -> list[str]:
    family, address = settings.family.table, settings.family
    not_ours = list(settings.skip) + ([] if settings.opens_loopback else [address.loopback])
    aside = f"{family} daddr != {{ {', '.join(not_ours)} }} " if not_ours else ""
    answering = settings.nodeport_addresses
    chosen = f"{family} daddr {{ {', '.join(answering)} }} " if answering else ""
    rules = [
        f"{_service_key(family)} vmap @services",
        f"{aside}{chosen}fib daddr type local meta l4proto . th dport vmap @nodeports",
        f"{family} daddr @cluster-ips goto refuse",
    ]
    if settings.service_cidr:
        rules.append(f"{family} daddr {settings.service_cidr} {aside}drop")
    return rules


def _local_policy(settings: Settings, suffix: str, key: str) -> dict[str, list[str]]:
    """Under externalTrafficPolicy Local, pods and the node itself may use every endpoint, others those here."""
    rules = [f"fib saddr type local {_mark()} goto inside{suffix}", f"{key} vmap @outside{suffix}", "drop"]
    if pods := _from_pods(settings):
        rules.insert(0, f"{pods} goto inside{suffix}")
    return {f"local-policy{suffix}": rules, f"inside{suffix}": [f"{key} vmap @inside{suffix}"]}


def _translated(settings: Settings) -> list[str]:
    family = settings.family.table
    transport = "meta l4proto { tcp, udp, sctp }"
    return [
        f"{transport} ct original {family} daddr . meta l4proto . ct original proto-dst vmap @affinity-timeouts",
        f"{transport} meta l4proto . ct original proto-dst vmap @affinity-timeouts-node",
        'oifname "lo" return',
        f"meta mark & {MASQUERADE:#x} == {MASQUERADE:#x} meta mark set meta mark & {0xFFFFFFFF ^ MASQUERADE:#x} "
        "masquerade fully-random",
        f"{family} saddr . {family} daddr @hairpin masquerade fully-random",
    ]


def _service_key(family: str) -> str:
    return f"{family} daddr . meta l4proto . th dport"


def _from_pods(settings: Settings, unlike: str = "") -> str:
    """What tells packets of pods, or with "!= " those of others; "" when nothing does."""
    if settings.local_interface:
        return f'iifname {unlike}"{settings.local_interface}"'
    if settings.cluster_cidr:
        return f"{settings.family.table} saddr {unlike}{settings.cluster_cidr}"
    return ""


def _mark() -> str:
    return f"meta mark set meta mark | {MASQUERADE:#x}"
