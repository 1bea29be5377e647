"""What a running haproxy is told by its socket instead of being given new files: endpoints that come and go, and what
is in certificates. Pure.

Nothing begins anew for it: connections stay, and requests in flight on an endpoint that goes are finished there. All
else (hosts, paths, new backends, more certificates) needs new files.
Source: HAProxy 2.6 Management Guide, section 9.3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from sampan.network.ingress.haproxy import Place, server_name
from sampan.network.ingress.routing import Certificate, Routing
from sampan.network.proxy.iptables.chains import place
from sampan.network.proxy.model import Endpoint

DONE = "\n"
"""The whole answer of who has nothing to say."""


class Command(NamedTuple):
    """`good`: one of these is in the answer when it was done."""

    text: str
    good: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Steps:
    """From one routing to the next. `leaving`: servers to be deleted as soon as nobody is connected to them."""

    commands: tuple[Command, ...] = ()
    joining: frozenset[str] = frozenset()
    leaving: frozenset[str] = frozenset()


def steps(old: Routing, new: Routing, where: Place) -> Steps | None:
    """None when it takes new files."""
    if _frame(old) != _frame(new):
        return None
    before, after = set(_servers(old)), set(_servers(new))
    came, went = after - before, before - after
    commands = [
        *(command for backend, endpoint in sorted(came) for command in _joins(backend, endpoint)),
        *(_leaves(backend, endpoint) for backend, endpoint in sorted(went)),
        *(command for one in _renewed(old, new) for command in _shows(one, where)),
    ]
    names = [frozenset(_reference(*each) for each in some) for some in (came, went)]
    return Steps(tuple(commands), *names)


def deletion(server: str) -> Command:
    """Refused while anybody is connected to it."""
    return Command(f"del server {server}", ("Server deleted", "No such server"))


def _frame(routing: Routing) -> tuple[object, ...]:
    """What cannot be changed in a running haproxy."""
    certificates = [(one.name, one.hosts) for one in routing.certificates]
    return routing.hosts, routing.default, set(routing.backends), certificates


def _servers(routing: Routing) -> Iterator[tuple[str, Endpoint]]:
    for backend, endpoints in routing.backends.items():
        for endpoint in endpoints:
            yield backend, endpoint


def _reference(backend: str, endpoint: Endpoint) -> str:
    return f"{backend}/{server_name(endpoint)}"


def _joins(backend: str, endpoint: Endpoint) -> Iterator[Command]:
    """One that went a moment ago may still be known."""
    known, where = _reference(backend, endpoint), place(endpoint.address, endpoint.port)
    yield Command(f"add server {known} {where}", ("New server registered", "Already exists"))
    yield Command(f"set server {known} state ready", (DONE,))


def _leaves(backend: str, endpoint: Endpoint) -> Command:
    return Command(f"set server {_reference(backend, endpoint)} state maint", (DONE,))


def _renewed(old: Routing, new: Routing) -> Iterator[Certificate]:
    known = {one.name: one.pem for one in old.certificates}
    for one in new.certificates:
        if known[one.name] != one.pem:
            yield one


def _shows(certificate: Certificate, where: Place) -> Iterator[Command]:
    """An empty line would end what is told."""
    file = f"{where.folder}/{certificate.name}.pem"
    lines = [line for line in certificate.pem.decode("ascii", "replace").splitlines() if line.strip()]
    yield Command("\n".join([f"set ssl cert {file} <<", *lines, ""]), ("Transaction created", "Transaction updated"))
    yield Command(f"commit ssl cert {file}", ("Success!",))
