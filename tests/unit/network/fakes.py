"""Stand-ins for the network's edges: a packet filter that remembers, resolvers that answer by table."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dnslib

from sampan.network.errors import RefusedByKernel
from sampan.network.proxy.backend import Change, Ports


class FakeBackend:
    """A `proxy.backend.Backend` whose rules are a dict; `meanwhile` happens before an update takes effect."""

    def __init__(self) -> None:
        self.rules: dict[str, Ports] = {}
        self.calls: list[str] = []
        self.refuse = 0
        self.touched = False
        self.meanwhile: Callable[[], None] = lambda: None

    async def replace(self, services: Mapping[str, Ports]) -> None:
        self._call("replace")
        self.rules, self.touched = dict(services), False

    async def update(self, changes: Sequence[Change]) -> None:
        self._call(f"update {' '.join(change.service for change in changes)}")
        self.meanwhile()
        for change in changes:
            assert self.rules.get(change.service, ()) == change.old
            self.rules[change.service] = change.new
        self.rules = {service: ports for service, ports in self.rules.items() if ports}

    async def damaged(self) -> bool:
        return self.touched

    async def remove(self) -> None:
        self._call("remove")
        self.rules.clear()

    def close(self) -> None:
        self.calls.append("close")

    def statistics(self) -> dict[str, Any]:
        return {"services": len(self.rules)}

    def _call(self, call: str) -> None:
        self.calls.append(call)
        if self.refuse:
            self.refuse -= 1
            raise RefusedByKernel("no")


class FakeResolvers:
    """A `dns.forwarding.Exchange`: server -> what it does: "silent", "refused", "truncates", or records' text."""

    def __init__(self, **servers: str) -> None:
        self.servers = {name.replace("_", "."): what for name, what in servers.items()}
        self.asked: list[tuple[str, str, str]] = []
        self.queries: list[bytes] = []
        self.hold: asyncio.Event | None = None

    async def udp(self, server: str, query: bytes) -> bytes:
        return await self._answer("udp", server, query)

    async def tcp(self, server: str, query: bytes) -> bytes:
        return await self._answer("tcp", server, query)

    async def _answer(self, way: str, server: str, query: bytes) -> bytes:
        asked = dnslib.DNSRecord.parse(query)
        self.queries.append(query)
        self.asked.append((way, server, str(asked.q.qname)))
        what = self.servers[server.replace(":", ".")]
        if self.hold is not None:
            await self.hold.wait()
        if what == "silent":
            await asyncio.Event().wait()
        if what == "refused":
            raise ConnectionRefusedError
        reply = asked.reply(ra=1, aa=0)
        if what == "servfail":
            reply.header.rcode = dnslib.RCODE.SERVFAIL
        elif what == "truncates" and way == "udp":
            reply.header.tc = 1
        elif what.startswith("nxdomain"):
            reply.header.rcode = dnslib.RCODE.NXDOMAIN
            reply.add_auth(*dnslib.RR.fromZone("org. 60 IN SOA a.org. b.org. 1 2 3 4 10"))
        else:
            reply.add_answer(*dnslib.RR.fromZone("example.org. 60 IN A 192.0.2.80" if what == "truncates" else what))
        reply.add_ar(dnslib.EDNS0())
        return bytes(reply.pack())
