"""What IPVS, the interface and the small table should hold, and the steps that take them there. Pure.

All three are claims of Services. Of several Services that claim the same, who came first has it, then the next in line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from sampan.network.proxy.backend import Change, Ports
from sampan.network.proxy.ipvs import messages
from sampan.network.proxy.ipvs.messages import DEL_DEST, NEW_DEST, NEW_SERVICE, SET_SERVICE, Request, Virtual
from sampan.network.proxy.model import Endpoint, Frontend, ServicePort
from sampan.network.proxy.settings import Settings

TABLE = "sampan-ipvs"
MASQUERADE = 0x4000


class Balanced(NamedTuple):
    """A virtual server: its endpoints and the seconds a client keeps to one of them."""

    endpoints: tuple[Endpoint, ...]
    affinity: int


class Bound(NamedTuple):
    """An address of the interface."""

    address: str


class Element(NamedTuple):
    """An element of one of the table's sets."""

    set: str
    key: str


Claim = Virtual | Bound | Element
Plan = dict[Claim, Balanced]
THERE = Balanced((), 0)
"""What there is to say of what is no virtual server."""


class Steps(NamedTuple):
    requests: list[Request]
    addresses: str
    """For `ip -batch`."""
    rules: str
    """For nft."""


class State:
    def __init__(self, settings: Settings, interface: str, scheduler: str) -> None:
        self._settings = settings
        self._interface = interface
        self._scheduler = scheduler
        self._plans: dict[str, Plan] = {}
        self._lines: dict[Claim, dict[str, Balanced]] = {}
        self._servers = 0
        self._nodes: tuple[str, ...] = ()
        self._table = f"{settings.family.table} {TABLE}"

    def replace(self, services: Mapping[str, Ports], nodes: Sequence[str], bound: Iterable[str]) -> Steps:
        """Everything anew, into an IPVS that is empty; `nodes`: addresses that answer node ports; `bound`: what the
        interface has now."""
        self._nodes, self._plans, self._lines, self._servers = tuple(nodes), {}, {}, 0
        steps = self._exchange(services, {Bound(address): THERE for address in bound})
        return steps._replace(rules=table_text(self._settings) + steps.rules)

    def update(self, changes: Sequence[Change]) -> Steps:
        """The differences."""
        return self._exchange({change.service: change.new for change in changes}, {})

    def servers(self) -> int:
        """How many virtual servers there are when all is whole."""
        return self._servers

    def _exchange(self, services: Mapping[str, Ports], before: Plan) -> Steps:
        """The services claim this and nothing else from now on; `before`: what is there that nobody claimed."""
        touched = set(before)
        for service, ports in services.items():
            old, new = self._plans.pop(service, {}), self._plan(ports)
            for claim in {*old, *new} - touched:
                touched.add(claim)
                if (standing := self._standing(claim)) is not None:
                    before[claim] = standing
            self._claim(service, old, new)
            if new:
                self._plans[service] = new
        after = {claim: standing for claim in touched if (standing := self._standing(claim)) is not None}
        return self._steps(before, after)

    def _claim(self, service: str, old: Plan, new: Plan) -> None:
        for claim in old.keys() - new.keys():
            line = self._lines[claim]
            del line[service]
            if not line:
                del self._lines[claim]
        for claim, balanced in new.items():
            self._lines.setdefault(claim, {})[service] = balanced

    def _standing(self, claim: Claim) -> Balanced | None:
        return next(iter(self._lines.get(claim, {}).values()), None)

    def _plan(self, ports: Ports) -> Plan:
        plan: Plan = {}
        for port in ports:
            for frontend in port.frontends:
                self._frontend(plan, port, frontend)
            plan |= {Element("hairpin", f"{address} . {address}"): THERE for address in port.hairpin}
        return plan

    def _frontend(self, plan: Plan, port: ServicePort, frontend: Frontend) -> None:
        outside = frontend.kind != "cluster"
        local = port.external_local if outside else port.internal_local
        balanced = Balanced(port.here if local else port.everywhere, port.affinity)
        for address in (frontend.address,) if frontend.address else self._nodes:
            plan[Virtual(port.protocol, address, frontend.port)] = balanced
            key = f"{address} . {port.protocol} . {frontend.port}"
            if frontend.address:
                plan[Bound(address)] = THERE
            if not (outside and local):
                plan[Element("external" if outside else "cluster", key)] = THERE
            if address in port.guarded:
                plan[Element("guarded", key)] = THERE
                plan |= {Element("allowed", f"{key} . {source}"): THERE for source in port.source_ranges}

    def _steps(self, before: Plan, after: Plan) -> Steps:
        gone, come = before.keys() - after.keys(), after.keys() - before.keys()
        for sign, claims in ((1, come), (-1, gone)):
            self._servers += sign * sum(isinstance(claim, Virtual) for claim in claims)
        return Steps(
            [*self._requests(before, after)],
            "".join([*self._addresses("add", come), *self._addresses("del", gone)]),
            "".join([*self._elements("delete", gone), *self._elements("add", come)]),
        )

    def _addresses(self, verb: str, claims: Iterable[Claim]) -> Iterator[str]:
        for address in sorted(claim.address for claim in claims if isinstance(claim, Bound)):
            yield f"addr {verb} {_whole(address)} dev {self._interface}\n"

    def _elements(self, verb: str, claims: Iterable[Claim]) -> Iterator[str]:
        for name, key in sorted(claim for claim in claims if isinstance(claim, Element)):
            yield f"{verb} element {self._table} {name} {{ {key} }}\n"

    def _requests(self, before: Plan, after: Plan) -> Iterator[Request]:
        """New endpoints come before old ones go."""
        for virtual, wanted in after.items():
            if not isinstance(virtual, Virtual):
                continue
            held = before.get(virtual)
            if held is None or held.affinity != wanted.affinity:
                yield messages.service(
                    NEW_SERVICE if held is None else SET_SERVICE, virtual, self._scheduler, wanted.affinity
                )
            endpoints = held.endpoints if held is not None else ()
            yield from _destinations(NEW_DEST, virtual, wanted.endpoints, endpoints)
            yield from _destinations(DEL_DEST, virtual, endpoints, wanted.endpoints)
        yield from (messages.removal(one) for one in before.keys() - after.keys() if isinstance(one, Virtual))


def _destinations(
    command: int, virtual: Virtual, these: Iterable[Endpoint], without: Iterable[Endpoint]
) -> Iterator[Request]:
    skipped = set(without)
    return (messages.destination(command, virtual, one) for one in these if one not in skipped)


def table_text(settings: Settings) -> str:
    """The table with its sets empty, whatever it held."""
    family, address = settings.family.table, settings.family.address
    service = f"type {address} . inet_proto . inet_service;"
    key = f"{family} daddr . meta l4proto . th dport"
    strangers = f"{family} saddr != {settings.cluster_cidr} " if settings.cluster_cidr else ""
    marking = f"meta mark set meta mark | {MASQUERADE:#x}"
    cluster = marking if settings.masquerade_all else f"{strangers}{marking}" if strangers else ""
    rules = [f"{key} @guarded {key} . {family} saddr != @allowed drop", f"{key} @external {marking}"]
    rules += [f"{key} @cluster {cluster}"] if cluster else []
    hooks = {
        "prerouting": ("type filter hook prerouting priority mangle;", rules),
        "output": ("type route hook output priority mangle;", rules),
        "postrouting": (
            "type nat hook postrouting priority srcnat;",
            [
                f"meta mark & {MASQUERADE:#x} == {MASQUERADE:#x} masquerade fully-random",
                f"{family} saddr . {family} daddr @hairpin masquerade fully-random",
            ],
        ),
    }
    sets = {
        **dict.fromkeys(("cluster", "external", "guarded"), service),
        "allowed": f"type {address} . inet_proto . inet_service . {address}; flags interval;",
        "hairpin": f"type {address} . {address};",
    }
    name = f"{family} {TABLE}"
    lines = [f"add table {name}", f"delete table {name}", f"table {name} {{"]
    lines += [f"  set {one} {{ {form} }}" for one, form in sets.items()]
    for chain, (hook, chain_rules) in hooks.items():
        lines += [f"  chain {chain} {{", f"    {hook}", *(f"    {rule}" for rule in chain_rules), "  }"]
    return "\n".join([*lines, "}", ""])


def _whole(address: str) -> str:
    return f"{address}/{128 if ':' in address else 32}"
