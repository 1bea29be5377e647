"""BIRD's configuration. Pure.

A node's own ranges stand in its kernel as unreachable, below the pods' own routes: packets to a pod that is gone end
here instead of going round between node and router. Nodes of one autonomous system behind a router of another see
their own number in each other's routes, which is otherwise taken for a loop (RFC 4271, 9.1.2); none can be, since a
node passes nothing on. Several routers to one range share its packets.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence

from sampan.network.bgp.fabric import Fabric, Neighbour, router_id
from sampan.network.bgp.passwords import password
from sampan.network.routes.peers import Peer

HOLD_SECONDS = 15
BFD_MILLISECONDS, BFD_MISSED = 300, 5
LOG_BYTES = 1 << 20
VERSIONS = (4, 6)


def configuration(
    own: Peer, fabric: Fabric, neighbours: Sequence[Neighbour], cluster: Iterable[str], log: str,
    passwords: Mapping[str, str] | None = None,
) -> str:  # fmt: skip
    """bird.conf; `cluster`: all pods' ranges, `log`: its file, `passwords`: as `passwords.read` gives them, if any."""
    parts = [HEAD.format(log=log, bytes=LOG_BYTES, id=router_id(own))]
    for version in VERSIONS:
        parts.append(_tables(version, _of(version, own.ranges), _of(version, cluster)))
    for neighbour in sorted(neighbours):
        secret = password(passwords or {}, neighbour.address)
        parts.append(_session(neighbour, fabric.number, own, secret))
    return "\n".join(parts)


def _of(version: int, cidrs: Iterable[str]) -> list[str]:
    return sorted(cidr for cidr in cidrs if ipaddress.ip_network(cidr).version == version)


def _tables(version: int, ranges: Sequence[str], cluster: Sequence[str]) -> str:
    """One address family: what is ours, what may be learned, and the kernel's routes."""
    return TABLES.format(
        version=version,
        routes="".join(f"  route {cidr} unreachable;\n" for cidr in ranges),
        own=_within(ranges),
        all=_within(cluster),
    )


def _within(cidrs: Sequence[str]) -> str:
    """Whether a route is for a part of one of them, as an expression."""
    return f"net ~ [ {', '.join(f'{cidr}+' for cidr in cidrs)} ]" if cidrs else "false"


def _session(neighbour: Neighbour, number: int, own: Peer, secret: str) -> str:
    """Over routers BFD must be told which address of ours to speak from."""
    version = ipaddress.ip_address(neighbour.address).version
    local = "" if neighbour.near else own.address(version)
    return SESSION.format(
        name=neighbour.name,
        local=" ".join(filter(None, (local, f"as {number}"))),
        address=neighbour.address,
        theirs=neighbour.number,
        way="direct" if neighbour.near else "multihop",
        loop="" if neighbour.number == number else "  allow local as;\n",
        password=f'  password "{secret}";\n' if secret else "",
        bfd="  bfd;\n" if neighbour.near or local else "",
        hold=HOLD_SECONDS,
        channels="".join(_channels(version, neighbour)),
    )


def _channels(version: int, neighbour: Neighbour) -> Iterator[str]:
    """The session's own family, and the other where nothing else tells its ranges: at an address of its own on the same
    network (IPv6), or at that of the session (IPv4, RFC 8950)."""
    yield CHANNEL.format(version=version, hop="")
    if neighbour.both:
        hop = f"    next hop address {neighbour.link};\n" if version == 4 else "    extended next hop;\n"
        yield CHANNEL.format(version=10 - version, hop=hop)


HEAD = f"""\
# Written by sampan, and written anew when the cluster changes.
log "{{log}}" {{bytes}} "{{log}}.old" {{{{ info, remote, warning, error, auth, fatal, bug }}}};
router id {{id}};
graceful restart wait 10;

protocol device {{{{ }}}}
protocol direct {{{{ ipv4; ipv6; }}}}
protocol bfd {{{{
  interface "*" {{{{ interval {BFD_MILLISECONDS} ms; multiplier {BFD_MISSED}; }}}};
  multihop {{{{ interval {BFD_MILLISECONDS} ms; multiplier {BFD_MISSED}; }}}};
}}}}
"""

TABLES = """\
function ours{version}() {{ return {own}; }}
function pods{version}() {{ return {all}; }}
protocol static own{version} {{
  ipv{version};
{routes}}}
protocol kernel kernel{version} {{
  learn;
  merge paths;
  scan time 10;
  graceful restart;
  ipv{version} {{
    import where ! pods{version}();
    export where proto = "own{version}" || (source = RTS_BGP && pods{version}());
  }};
}}
"""

SESSION = """\
protocol bgp {name} {{
  local {local};
  neighbor {address} as {theirs};
  {way};
{loop}{password}{bfd}  hold time {hold};
  connect retry time 2;
  connect delay time 1;
  error wait time 1, 10;
  graceful restart;
{channels}}}
"""

CHANNEL = """\
  ipv{version} {{
{hop}    import where pods{version}() && ! ours{version}();
    export where proto = "own{version}";
  }};
"""
