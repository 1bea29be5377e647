"""What stands in the kernel's tables for a peer, by the names of interfaces rather than their numbers."""

from __future__ import annotations

from typing import NamedTuple


class Route(NamedTuple):
    """Packets to `destination` go to `gateway`; `device` only where it is one of ours."""

    destination: str
    gateway: str
    device: str = ""


class Neighbour(NamedTuple):
    address: str
    hardware: str
    device: str


class Forward(NamedTuple):
    hardware: str
    remote: str
    device: str


class Encrypted(NamedTuple):
    """Behind `remote` is who has that public key (base64), with the ranges `allowed`."""

    key: str
    remote: str
    port: int
    allowed: tuple[str, ...]
    device: str


Entry = Route | Neighbour | Forward | Encrypted
ORDER: tuple[type[Entry], ...] = (Encrypted, Forward, Neighbour, Route)
"""Those last through which packets begin to go."""


def ordered(entries: frozenset[Entry] | set[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda entry: (ORDER.index(type(entry)), entry))
