"""What IPVS, the interface and the small table should hold, and the steps that take them there. Pure.

All three are claims of Services. Of several Services that claim the same, who came first has it, then the next in line.

An endpoint of TCP that goes is given weight 0: it gets no new connection, those it has go on, and when they have ended
it is taken away (`reaped`). Datagrams have no end, and SCTP's associations find their own way: those go at once.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from sampan.network.proxy.backend import Change, Ports
from sampan.network.proxy.ipvs import messages
from sampan.network.proxy.ipvs.messages import (
    DEL_DEST,
    NEW_DEST,
    NEW_SERVICE,
    SET_DEST,
    SET_SERVICE,
    Held,
    Real,
    Request,
    Virtual,
)
from sampan.network.proxy.ipvs.table import TABLE, table_text
from sampan.network.proxy.ipvs.tuning import Tuning
from sampan.network.proxy.model import Endpoint, Frontend, ServicePort
from sampan.network.proxy.settings import Settings


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
UNLIKE = -1
"""In place of seconds: the virtual server is to be changed, whatever it has."""


class Found(NamedTuple):
    """What there is in this family before everything is written anew."""

    nodes: tuple[str, ...] = ()
    """The machine's own addresses, but for the interface's."""
    bound: tuple[str, ...] = ()
    """The interface's."""
    served: frozenset[str] = frozenset()
    """The virtual servers that the table says are ours."""
    servers: Mapping[Held, Sequence[Real]] = {}
    """Everybody's virtual servers with their real ones."""


class Steps(NamedTuple):
    """In this order: addresses come, rules, requests, addresses go. For IPVS takes only what comes in."""

    come: list[str]
    rules: str
    """For nft."""
    requests: list[Request]
    gone: list[str]


class State:
    def __init__(self, settings: Settings, tuning: Tuning) -> None:
        self._settings = settings
        self._tuning = tuning
        self._scheduler = tuning.scheduler
        self._plans: dict[str, Plan] = {}
        self._lines: dict[Claim, dict[str, Balanced]] = {}
        self._draining: dict[Virtual, set[Endpoint]] = {}
        self._nodes: tuple[str, ...] = ()
        self._table = f"{settings.family.table} {TABLE}"

    def replace(self, services: Mapping[str, Ports], found: Found) -> Steps:
        """Everything anew; what is there already and wanted stays, what is somebody else's, too."""
        self._nodes, self._plans, self._lines, self._draining = found.nodes, {}, {}, {}
        for service, ports in services.items():
            self._take(service, self._plan(ports))
        before: Plan = {Bound(address): THERE for address in found.bound}
        for held, reals in found.servers.items():
            if held.virtual in self._lines or is_ours(held.virtual, found, self._settings, self._tuning):
                used = tuple(real.endpoint for real in reals if real.weight)
                before[held.virtual] = Balanced(used, held.affinity if held.scheduler == self._scheduler else UNLIKE)
                self._draining[held.virtual] = {real.endpoint for real in reals if not real.weight}
        steps = self._steps(before, self._standings(self._lines))
        return steps._replace(rules=table_text(self._settings) + steps.rules)

    def update(self, changes: Sequence[Change]) -> Steps:
        """The differences."""
        before: Plan = {}
        touched: set[Claim] = set()
        for change in changes:
            plan = self._plan(change.new)
            fresh = {*self._plans.get(change.service, ()), *plan} - touched
            before |= self._standings(fresh)
            touched |= fresh
            self._take(change.service, plan)
        return self._steps(before, self._standings(touched))

    def servers(self) -> set[Virtual]:
        """The virtual servers that are there when all is whole."""
        return {claim for claim in self._lines if isinstance(claim, Virtual)}

    def bound(self) -> set[str]:
        """The addresses of the interface when all is whole."""
        return {claim.address for claim in self._lines if isinstance(claim, Bound)}

    def draining(self) -> list[Virtual]:
        """Virtual servers with endpoints that only finish what they have."""
        return [virtual for virtual, endpoints in self._draining.items() if endpoints]

    def reaped(self, virtual: Virtual, reals: Iterable[Real]) -> list[Request]:
        """Takes those away that have finished."""
        endpoints = self._draining.get(virtual, set())
        ended = [real.endpoint for real in reals if real.endpoint in endpoints and not real.connections]
        endpoints.difference_update(ended)
        return [messages.destination(DEL_DEST, virtual, endpoint) for endpoint in ended]

    def _standings(self, claims: Iterable[Claim]) -> Plan:
        """Whose turn it is, for those that anybody claims."""
        return {claim: next(iter(self._lines[claim].values())) for claim in claims if claim in self._lines}

    def _take(self, service: str, plan: Plan) -> None:
        """The Service claims this and nothing else from now on."""
        self._claim(service, self._plans.pop(service, {}), plan)
        if plan:
            self._plans[service] = plan

    def _claim(self, service: str, old: Plan, new: Plan) -> None:
        for claim in old.keys() - new.keys():
            line = self._lines[claim]
            del line[service]
            if not line:
                del self._lines[claim]
        for claim, balanced in new.items():
            self._lines.setdefault(claim, {})[service] = balanced

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
        endpoints = port.here if local else port.everywhere
        balanced = Balanced(tuple(Endpoint(_plain(one.address), one.port) for one in endpoints), port.affinity)
        for address in (_plain(frontend.address),) if frontend.address else self._answering():
            virtual = Virtual(port.protocol, address, frontend.port)
            plan[virtual] = balanced
            key = key_of(virtual)
            names = ["served"] + (["external" if outside else "cluster"] if not (outside and local) else [])
            if address not in self._nodes:
                plan |= {Bound(address): THERE, Element("bound", address): THERE}
            if address in port.guarded:
                names.append("guarded")
                plan |= {Element("allowed", f"{key} . {source}"): THERE for source in port.source_ranges}
            plan |= {Element(name, key): THERE for name in names}

    def _answering(self) -> Iterator[str]:
        """The node's addresses that answer node ports."""
        networks = [ipaddress.ip_network(one, strict=False) for one in self._settings.nodeport_addresses]
        for address in self._nodes:
            if not networks or any(ipaddress.ip_address(address) in network for network in networks):
                yield address

    def _steps(self, before: Plan, after: Plan) -> Steps:
        gone, come = before.keys() - after.keys(), after.keys() - before.keys()
        rules = [*self._elements("delete", gone), *self._elements("add", come)]
        return Steps(_addresses(come), "".join(rules), [*self._requests(before, after)], _addresses(gone))

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
            yield from self._arrivals(virtual, set(wanted.endpoints).difference(endpoints))
            yield from self._departures(virtual, set(endpoints).difference(wanted.endpoints))
        for virtual in before.keys() - after.keys():
            if isinstance(virtual, Virtual):
                self._draining.pop(virtual, None)
                yield messages.removal(virtual)

    def _arrivals(self, virtual: Virtual, endpoints: Iterable[Endpoint]) -> Iterator[Request]:
        draining = self._draining.get(virtual, set())
        for endpoint in sorted(endpoints):
            yield messages.destination(SET_DEST if endpoint in draining else NEW_DEST, virtual, endpoint)
            draining.discard(endpoint)

    def _departures(self, virtual: Virtual, endpoints: Iterable[Endpoint]) -> Iterator[Request]:
        for endpoint in sorted(endpoints):
            if virtual.protocol == "tcp":
                self._draining.setdefault(virtual, set()).add(endpoint)
                yield messages.destination(SET_DEST, virtual, endpoint, weight=0)
            else:
                yield messages.destination(DEL_DEST, virtual, endpoint)


def is_ours(virtual: Virtual, found: Found, settings: Settings, tuning: Tuning) -> bool:
    """Whether we made it: the address is the interface's or of the services' network, or the table says so; none of the
    excluded networks' counts."""
    if tuning.excludes(virtual.address):
        return False
    if virtual.address in found.bound or key_of(virtual) in found.served:
        return True
    network = settings.service_cidr
    return bool(network) and ipaddress.ip_address(virtual.address) in ipaddress.ip_network(network)


def key_of(virtual: Virtual) -> str:
    """As the table's sets have it."""
    return f"{virtual.address} . {virtual.protocol} . {virtual.port}"


def _addresses(claims: Iterable[Claim]) -> list[str]:
    return sorted(claim.address for claim in claims if isinstance(claim, Bound))


def _plain(address: str) -> str:
    """As the kernel writes it, so that it is known again: IPv6 has several spellings."""
    return str(ipaddress.ip_address(address)) if ":" in address else address
