"""The cluster's zone: changes of services in, ready-made answers out, no I/O.

Every name has its records by the services that contribute them (several headless services may point one address back
to their names). An answer is made when its name is first asked for and kept until a service that has records there
changes: most names of a large cluster are asked for by nobody on this node, and cost no more than their records. A name
without records below which there are names exists all the same: asking for it gives "no data", not "no such name"
(RFC 8020).
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable, Iterator

from sampan.network.dns import wire
from sampan.network.dns.answer import Answer
from sampan.network.dns.records import Record, address_record
from sampan.network.dns.wire import AAAA, CNAME, HINFO, NS, PTR, SOA, SRV, TXT, A, ancestors, encode_name, record

SCHEMA_VERSION = "1.1.0"
REVERSE_ZONES = (encode_name("in-addr.arpa"), encode_name("ip6.arpa"))
KEPT = (A, AAAA, SRV, PTR, NS, SOA, TXT)
"""Types whose answers are kept."""
MOST_PASSING = 4096
Named = dict[bytes, tuple[tuple[int, bytes], ...]]
"""One service's records by name: (type, data), in order."""
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
        """Those made: by name, type and class as they stand in a question, lower case."""
        self.passing: dict[bytes, Answer] = {}
        """The same for names without records (search paths make many such), until anything changes; bounded."""
        self._ttl = ttl
        self._services: dict[str, Named] = {}
        self._owners: dict[bytes, tuple[str, ...]] = {}
        self._branches: dict[bytes, int] = {}
        """Names that have others below them -> how many there are next below, and namespaces that hold them."""
        self.namespaces: set[str] = set()
        self.changes = 0
        """How often its records or namespaces have changed."""
        self._pods = encode_name(f"pod.{self.name}")
        self._networks = [ipaddress.ip_network(network) for network in networks]
        self._soa = self._soa_record(self.apex, serial)
        self.nodata = Answer(authority=(self._soa,))
        self.nxdomain = Answer(rcode=wire.NXDOMAIN, authority=(self._soa,))
        self._unused = {
            zone: Answer(rcode=wire.NXDOMAIN, authority=(self._soa_record(zone, serial),)) for zone in REVERSE_ZONES
        }
        self._any = Answer((record(wire.OWNER, HINFO, 3600, wire.text_data("RFC8482") + wire.text_data("")),))
        self._hold(encode_name(f"svc.{self.name}"))
        self._hold(self._pods)
        self.replace(FIXED, self._fixed_records(server_addresses))

    def replace(self, service: str, records: frozenset[Record]) -> None:
        """The records of one service (`namespace/name`) are these from now on; an empty set removes it."""
        old, new = self._services.pop(service, {}), _by_name(records)
        if new:
            self._services[service] = new
        if old == new:
            return
        self._changed()
        own = (service,)
        for name in old.keys() - new.keys():
            self._disown(name, service)
        for name in new.keys() - old.keys():
            owners = self._owners.get(name)
            self._owners[name] = own if owners is None else (*owners, service)
            if owners is None:
                self._hold(_parent(name))
        for name in old | new:
            # SRV answers repeat the addresses of their targets, which are the same service's.
            if old.get(name) != new.get(name) or new[name][0][0] == SRV:
                self._forget(name)

    def records(self) -> Iterator[tuple[str, list[tuple[bytes, int, bytes]]]]:
        """Owner and (name, type, data) of all that was put here."""
        for owner, named in self._services.items():
            if owner != FIXED:
                yield owner, [(name, *record) for name, held in named.items() for record in held]

    def add_namespace(self, name: str) -> None:
        """Again is once."""
        if name in self.namespaces:
            return
        self.namespaces.add(name)
        self._changed()
        for below in ("svc", "pod"):
            self._hold(encode_name(f"{name}.{below}.{self.name}"))

    def remove_namespace(self, name: str) -> None:
        if name not in self.namespaces:
            return
        self.namespaces.discard(name)
        self._changed()
        for below in ("svc", "pod"):
            self._let_go(encode_name(f"{name}.{below}.{self.name}"))

    def holds(self, name: bytes, kind: int) -> bool:
        """Whether it is for us to answer: in the zone, of the cluster's networks, or an administrator's addition."""
        if name.endswith(self.apex) and any(suffix == self.apex for suffix in ancestors(name)):
            return True
        if name in self._owners and (kind in (A, AAAA) or any(found == kind for found, _ in self._held(name))):
            return True
        return self._is_own_address(name)

    def has(self, name: bytes) -> bool:
        """Whether there are records with this name."""
        return name in self._owners

    def lookup(self, name: bytes, kind: int) -> Answer:
        """The answer for a name that `holds`."""
        question = name + struct.pack(">HH", kind, wire.IN)
        found = self.answers.get(question)
        if found is None:
            found = self._decide(name, kind)
            if name not in self._owners:
                self._keep_for_now(question, found)
            elif kind in KEPT and self.alias(name) is None:
                self.answers[question] = found
        return found

    def alias(self, name: bytes) -> bytes | None:
        """The name an ExternalName service stands for."""
        return next((data for kind, data in self._held(name) if kind == CNAME), None)

    def statistics(self) -> dict[str, int]:
        return {"services": len(self._services) - 1, "names": len(self._owners), "answers": len(self.answers)}

    def _changed(self) -> None:
        self.changes += 1
        self.passing.clear()

    def _keep_for_now(self, question: bytes, answer: Answer) -> None:
        if len(self.passing) >= MOST_PASSING:
            self.passing.clear()
        self.passing[question] = answer

    def _hold(self, name: bytes) -> None:
        """One more below this name, which itself is one more below the next if it was not there before."""
        while name[0]:
            count = self._branches.get(name, 0)
            self._branches[name] = count + 1
            if count:
                return
            name = _parent(name)

    def _let_go(self, name: bytes) -> None:
        while name[0]:
            self._branches[name] -= 1
            if self._branches[name]:
                return
            del self._branches[name]
            name = _parent(name)

    def _disown(self, name: bytes, service: str) -> None:
        others = tuple(owner for owner in self._owners.pop(name) if owner != service)
        if others:
            self._owners[name] = others
        else:
            self._let_go(_parent(name))

    def _forget(self, name: bytes) -> None:
        for kind in KEPT if self.answers else ():
            self.answers.pop(name + struct.pack(">HH", kind, wire.IN), None)

    def _held(self, name: bytes) -> set[tuple[int, bytes]]:
        """(type, data) of its records, whosever they are."""
        return {record for owner in self._owners.get(name, ()) for record in self._services[owner][name]}

    def _decide(self, name: bytes, kind: int) -> Answer:
        held = self._held(name)
        if not held and name not in self._branches:
            return self._pod(name, kind) or next(
                (answer for zone, answer in self._unused.items() if name.endswith(zone)), self.nxdomain
            )
        if kind == wire.ANY:
            return self._any
        alias = next((data for found, data in held if found == CNAME), None)
        if alias is not None:
            return Answer((record(wire.OWNER, CNAME, self._ttl, alias),))
        datas = sorted(data for found, data in held if found == kind)
        return self._answer(kind, datas) if datas else self.nodata

    def _answer(self, kind: int, datas: list[bytes]) -> Answer:
        answers = [record(wire.OWNER, kind, self._ttl, data) for data in datas]
        additional = self._addresses_of([data[6:] for data in datas]) if kind == SRV else ()
        return Answer(answers, additional=additional, turns=kind in (A, AAAA))

    def _addresses_of(self, targets: Iterable[bytes]) -> list[bytes]:
        records: list[bytes] = []
        for target in dict.fromkeys(targets):
            known = sorted((kind, data) for kind, data in self._held(target) if kind in (A, AAAA))
            records += [record(target, kind, self._ttl, data) for kind, data in known]
        return records

    def _pod(self, name: bytes, kind: int) -> Answer | None:
        """`10-244-0-5.default.pod.cluster.local`: the address in the name, if the namespace exists (section 2.6)."""
        parts = wire.labels(name)
        namespace = name[1 + name[0] :] if name[0] else name
        if len(parts) != len(wire.labels(self._pods)) + 2 or not namespace.endswith(self._pods):
            return None
        if namespace not in self._branches:
            return None
        found = _dashed_address(name, parts[0].decode("latin-1"))
        if found is None:
            return None
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


def _by_name(records: Iterable[Record]) -> Named:
    found: dict[bytes, list[tuple[int, bytes]]] = {}
    for name, kind, data in records:
        found.setdefault(name, []).append((kind, data))
    return {name: tuple(sorted(held)) for name, held in found.items()}


def _parent(name: bytes) -> bytes:
    return name[1 + name[0] :]


def _dashed_address(name: bytes, label: str) -> Record | None:
    for separator in (".", ":"):
        try:
            return address_record(name, label.replace("-", separator))
        except ValueError:
            continue
    return None


def _reversed_address(parts: list[bytes]) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    digits = [part.decode("latin-1") for part in reversed(parts[:-2])]
    try:
        if parts[-2:-1] == [b"in-addr"]:
            return ipaddress.IPv4Address(".".join(digits))
        whole = "".join(digits)
        return ipaddress.IPv6Address(":".join(whole[index : index + 4] for index in range(0, len(whole), 4)))
    except ValueError:
        return None
