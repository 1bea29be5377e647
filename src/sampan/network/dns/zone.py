"""The cluster's zone, held as ready-made answers: changes of services in, answers out, no I/O.

Every name has its records by the service that contributes them (several headless services may point one address back
to their names). When a service changes, the names it gained or lost are encoded anew, no others. A name without records
below which there are names exists all the same: asking for it gives "no data", not "no such name" (RFC 8020).
"""

from __future__ import annotations

import ipaddress
import struct
from collections import Counter, defaultdict
from collections.abc import Iterable

from sampan.network.dns import wire
from sampan.network.dns.answer import Answer
from sampan.network.dns.records import Record, address_record
from sampan.network.dns.wire import AAAA, CNAME, HINFO, NS, PTR, SOA, SRV, TXT, A, ancestors, encode_name, record

SCHEMA_VERSION = "1.1.0"
REVERSE_ZONES = (encode_name("in-addr.arpa"), encode_name("ip6.arpa"))
FIXED = ""
"""The owner of the records every zone has."""


class Zone:
    """`ttl` in seconds, for positive and negative answers; `server_addresses` are those of this DNS server; `networks`
    are the cluster's own (CIDR text): an address there without a name has none, and nobody else is asked."""

    def __init__(
        self, name: str = "cluster.local", *, ttl: int = 5, serial: int = 1, server_addresses: Iterable[str] = (),
        networks: Iterable[str] = (),
    ) -> None:  # fmt: skip
        self.name = name.rstrip(".").lower()
        self.apex = encode_name(name)
        self.answers: dict[bytes, Answer] = {}
        """By name, type and class as they stand in a question, lower case."""
        self._ttl = ttl
        self._services: dict[str, frozenset[Record]] = {}
        self._names: dict[bytes, set[tuple[str, int, bytes]]] = {}
        self._existing: Counter[bytes] = Counter()
        self._pods = encode_name(f"pod.{self.name}")
        self._networks = [ipaddress.ip_network(network) for network in networks]
        self._soa = self._soa_record(self.apex, serial)
        self.nodata = Answer(authority=(self._soa,))
        self.nxdomain = Answer(rcode=wire.NXDOMAIN, authority=(self._soa,))
        self._unused = {
            zone: Answer(rcode=wire.NXDOMAIN, authority=(self._soa_record(zone, serial),)) for zone in REVERSE_ZONES
        }
        self._any = Answer((record(wire.OWNER, HINFO, 3600, wire.text_data("RFC8482") + wire.text_data("")),))
        self._count(encode_name(f"svc.{self.name}"), 1)
        self._count(self._pods, 1)
        self.replace(FIXED, self._fixed_records(server_addresses))

    def replace(self, service: str, records: frozenset[Record]) -> None:
        """The records of one service (`namespace/name`) are these from now on; an empty set removes it."""
        old = self._services.get(service, frozenset())
        for gone in old - records:
            self._names[gone.name].discard((service, gone.type, gone.data))
            self._count(gone.name, -1)
        for come in records - old:
            self._names.setdefault(come.name, set()).add((service, come.type, come.data))
            self._count(come.name, 1)
        if records:
            self._services[service] = records
        else:
            self._services.pop(service, None)
        touched = {item.name for item in old ^ records}
        targets = {name for name in touched if self._encode(name)}
        self._encode_pointing_to(targets - touched, old | records)

    def add_namespace(self, name: str) -> None:
        for below in ("svc", "pod"):
            self._count(encode_name(f"{name}.{below}.{self.name}"), 1)

    def remove_namespace(self, name: str) -> None:
        for below in ("svc", "pod"):
            self._count(encode_name(f"{name}.{below}.{self.name}"), -1)

    def holds(self, name: bytes) -> bool:
        """Whether it is for us to answer for this name: in the zone, or an address of the cluster's networks."""
        return any(suffix == self.apex for suffix in ancestors(name)) or self._is_own_address(name)

    def lookup(self, name: bytes, kind: int) -> Answer:
        """The answer for a name that `holds`."""
        found = self.answers.get(name + struct.pack(">HH", kind, wire.IN))
        if found is not None:
            return found
        if kind == wire.ANY and self._existing[name]:
            return self._any
        alias = self.alias(name)
        if alias is not None:
            return Answer((record(wire.OWNER, CNAME, self._ttl, alias),))
        if self._existing[name]:
            return self.nodata
        return self._pod(name, kind) or next(
            (answer for zone, answer in self._unused.items() if name.endswith(zone)), self.nxdomain
        )

    def alias(self, name: bytes) -> bytes | None:
        """The name an ExternalName service stands for."""
        return next((data for _, kind, data in self._names.get(name, ()) if kind == CNAME), None)

    def statistics(self) -> dict[str, int]:
        return {"services": len(self._services) - 1, "names": len(self._names), "answers": len(self.answers)}

    def _count(self, name: bytes, change: int) -> None:
        for suffix in ancestors(name):
            self._existing[suffix] += change
            if not self._existing[suffix]:
                del self._existing[suffix]

    def _encode(self, name: bytes) -> bool:
        """Makes the answers for one name; True when it has addresses, which SRV answers elsewhere may repeat."""
        by_type: dict[int, set[bytes]] = defaultdict(set)
        for _, kind, data in self._names.get(name, ()):
            by_type[kind].add(data)
        for kind in (A, AAAA, SRV, PTR, NS, SOA, TXT):
            self.answers.pop(name + struct.pack(">HH", kind, wire.IN), None)
        if not by_type:
            self._names.pop(name, None)
            return False
        if CNAME in by_type:
            return False
        for kind, datas in by_type.items():
            self.answers[name + struct.pack(">HH", kind, wire.IN)] = self._answer(kind, datas)
        for kind in (A, AAAA):
            if kind not in by_type:
                self.answers[name + struct.pack(">HH", kind, wire.IN)] = self.nodata
        return bool(by_type.keys() & {A, AAAA})

    def _encode_pointing_to(self, targets: set[bytes], records: frozenset[Record]) -> None:
        """SRV answers carry their targets' addresses, so they change with them."""
        for name in {item.name for item in records if item.type == SRV and item.data[6:] in targets}:
            self._encode(name)

    def _answer(self, kind: int, datas: set[bytes]) -> Answer:
        ordered = sorted(datas)
        answers = [record(wire.OWNER, kind, self._ttl, data) for data in ordered]
        additional = self._addresses_of([data[6:] for data in ordered]) if kind == SRV else ()
        return Answer(answers, additional=additional, turns=kind in (A, AAAA))

    def _addresses_of(self, targets: Iterable[bytes]) -> list[bytes]:
        records: list[bytes] = []
        for target in dict.fromkeys(targets):
            known = {(kind, data) for _, kind, data in self._names.get(target, ()) if kind in (A, AAAA)}
            records += [record(target, kind, self._ttl, data) for kind, data in sorted(known)]
        return records

    def _pod(self, name: bytes, kind: int) -> Answer | None:
        """`10-244-0-5.default.pod.cluster.local`: the address in the name, if the namespace exists (section 2.6)."""
        parts = wire.labels(name)
        namespace = name[1 + name[0] :] if name[0] else name
        if len(parts) != len(wire.labels(self._pods)) + 2 or not namespace.endswith(self._pods):
            return None
        if not self._existing[namespace]:
            return None
        address = _dashed_address(parts[0].decode("latin-1"))
        if address is None:
            return None
        found = address_record(name, address)
        return Answer((record(wire.OWNER, found.type, self._ttl, found.data),)) if found.type == kind else self.nodata

    def _is_own_address(self, name: bytes) -> bool:
        if not self._networks or not name.endswith(REVERSE_ZONES):
            return False
        address = _reversed_address(wire.labels(name))
        return address is not None and any(
            address in network for network in self._networks if network.version == address.version
        )

    def _soa_record(self, owner: bytes, serial: int) -> bytes:
        server, mailbox = encode_name(f"ns.dns.{self.name}"), encode_name(f"hostmaster.{self.name}")
        return record(owner, SOA, self._ttl, wire.soa_data(server, mailbox, serial, self._ttl))

    def _fixed_records(self, server_addresses: Iterable[str]) -> frozenset[Record]:
        server = encode_name(f"ns.dns.{self.name}")
        version = Record(encode_name(f"dns-version.{self.name}"), TXT, wire.text_data(SCHEMA_VERSION))
        soa = self._soa[len(self.apex) + 10 :]
        own = {Record(self.apex, SOA, soa), Record(self.apex, NS, server), version}
        own |= {address_record(server, address) for address in server_addresses}
        return frozenset(own)


def _dashed_address(label: str) -> str | None:
    for separator in (".", ":"):
        try:
            return str(ipaddress.ip_address(label.replace("-", separator)))
        except ValueError:
            continue
    return None


def _reversed_address(parts: list[bytes]) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    digits = [part.decode("latin-1") for part in reversed(parts[:-2])]
    try:
        if parts[-2] == b"in-addr":
            return ipaddress.IPv4Address(".".join(digits))
        whole = "".join(digits)
        return ipaddress.IPv6Address(":".join(whole[index : index + 4] for index in range(0, len(whole), 4)))
    except ValueError:
        return None
