"""Plays the stories in tests/scenarios/network; see the README there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dnslib

from sampan.api.kinds import core_v1, discovery_v1
from sampan.api.registry import builtin
from sampan.codec import json, yaml
from sampan.network.dns.records import service_records
from sampan.network.dns.responder import Responder
from sampan.network.dns.zone import Zone
from sampan.network.proxy.backend import Change, Ports
from sampan.network.proxy.model import Viewpoint, service_ports
from sampan.network.proxy.nftables.table import Table
from sampan.network.proxy.settings import Settings
from sampan.network.serviceindex import services_of

FOLDER = Path(__file__).parents[2] / "scenarios" / "network"


def sections(text: str) -> Iterator[tuple[str, str]]:
    """(name, body) of each section."""
    for part in text.split("--- ")[1:]:
        name, _, body = part.partition("\n")
        yield name.strip(), body.strip("\n")


class Story:
    """The state after each section; `play` gives what the section's body should be."""

    def __init__(self) -> None:
        self._view = Viewpoint("n1", "z1", skip=frozenset({"10.96.0.10"}))
        self._table = Table(Settings(cluster_cidr="10.244.0.0/16", service_cidr="10.96.0.0/16"))
        self._table.replace({})
        self._zone = Zone(networks=["10.244.0.0/16", "10.96.0.0/16"], server_addresses=["10.96.0.10"])
        self._responder = Responder(self._zone, lambda: True)
        self._objects: dict[tuple[str, str], Any] = {}
        self._applied: dict[str, Ports] = {}
        self._rules = ""

    def play(self, name: str, body: str) -> str:
        if name == "set":
            self._set(body)
            return body
        if name == "unreachable":
            self._avoid(frozenset(body.split()))
            return body
        if name == "dns":
            return "\n".join(self._ask(line) for line in body.splitlines() if not line.startswith("    "))
        return self._rules.strip() if name == "rules" else "\n".join(self._elements())

    def _avoid(self, nodes: frozenset[str]) -> None:
        self._view = replace(self._view, unreachable=nodes)
        self._apply({key for kind, key in self._objects if kind == "Service"})

    def _set(self, body: str) -> None:
        touched = set()
        for document in body.split("\n---\n"):
            touched |= self._put(yaml.decode(document))
        self._apply(touched)

    def _apply(self, touched: set[str]) -> None:
        changes = [self._change(key) for key in sorted(touched)]
        self._rules = self._table.update(changes)
        for change in changes:
            self._applied[change.service] = change.new

    def _put(self, value: dict[str, Any]) -> set[str]:
        gone = value.pop("gone", False)
        value["metadata"].setdefault("namespace", "default")
        version = "discovery.k8s.io/v1" if value["kind"] == "EndpointSlice" else "v1"
        kind = builtin().kind(version, value["kind"])
        obj = kind.decode(json.encode(value))
        key = (value["kind"], f"{obj.metadata.namespace}/{obj.metadata.name}")
        old = self._objects.pop(key, None)
        if not gone:
            self._objects[key] = obj
        if isinstance(obj, core_v1.Namespace):
            self._zone.add_namespace(obj.metadata.name)
            return set()
        if isinstance(obj, core_v1.Service):
            return {key[1]}
        return {service for piece in (old, obj) if piece is not None for service in services_of(piece)}

    def _change(self, key: str) -> Change:
        service = self._objects.get(("Service", key))
        slices = [
            obj
            for obj in self._objects.values()
            if isinstance(obj, discovery_v1.EndpointSlice) and key in services_of(obj)
        ]
        records = service_records(service, slices, "cluster.local", self._view.unreachable) if service else frozenset()
        self._zone.replace(key, records)
        new = service_ports(service, slices, self._view) if service else ()
        return Change(key, self._applied.get(key, ()), new)

    def _elements(self) -> list[str]:
        return sorted(
            f"{name}: {key} -> {value}".rstrip(" ->") for (name, key), value in self._table.elements().items()
        )

    def _ask(self, line: str) -> str:
        name, kind = line.split()
        answer = self._responder.immediate(bytes(dnslib.DNSRecord.question(name, kind).pack()))
        if not isinstance(answer, bytes):
            return f"{line}\n    forwarded or followed" if answer else f"{line}\n    silence"
        message = dnslib.DNSRecord.parse(answer)
        lines = [f"    {dnslib.RCODE[message.header.rcode]}"]
        lines += sorted(f"    {_one_line(record)}" for record in message.rr)
        lines += [f"    + {_one_line(record)}" for record in sorted(message.ar, key=str)]
        lines += [f"    ! {_one_line(record)}" for record in message.auth]
        return "\n".join([line, *lines])


def _one_line(record: Any) -> str:
    return " ".join(str(record).split())
