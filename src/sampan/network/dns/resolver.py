"""The slow path: questions that need others' answers, and ExternalName services, whose answer is a chain."""

from __future__ import annotations

import struct

from sampan.network.dns import message, wire
from sampan.network.dns.answer import Answer
from sampan.network.dns.expansion import spelled_out
from sampan.network.dns.forwarding import Forwarder, NoAnswer
from sampan.network.dns.message import Broken
from sampan.network.dns.wire import CNAME, Query, record
from sampan.network.dns.zone import Zone

LONGEST_CHAIN = 8


class Resolver:
    def __init__(self, zone: Zone, forwarder: Forwarder, ttl: int = 5) -> None:
        self._zone = zone
        self._forwarder = forwarder
        self._ttl = ttl

    def known(self, query: Query, *, tcp: bool) -> bytes | None:
        """The answer to a forwarded question when it is in the cache, without waiting."""
        if self._zone.alias(query.name) is not None or self._forwarder.is_probe(query.name):
            return None
        found = self._forwarder.cached(query.question.lower(), query.wish)
        return message.reply(found[0], query, _limit(query, tcp), found[1]) if found else None

    async def resolve(self, query: Query, *, tcp: bool) -> bytes:
        """The whole answer to a query the responder could not answer at once; never raises but for cancellation."""
        if self._forwarder.is_probe(query.name):
            return Answer(rcode=wire.REFUSED).to(query, tcp=tcp)
        try:
            if self._zone.alias(query.name) is not None:
                return (await self._follow(query)).to(query, tcp=tcp)
            answer, age = await self._forwarder.ask(query.question.lower(), query.wish)
            return message.reply(answer, query, _limit(query, tcp), age)
        except (NoAnswer, Broken):
            return Answer(rcode=wire.SERVFAIL).to(query, tcp=tcp)

    async def _follow(self, query: Query) -> Answer:
        """The CNAME of an ExternalName service and what it leads to, as a client that asks no further needs it."""
        records: list[bytes] = []
        owner, name = wire.OWNER, query.name
        for _ in range(LONGEST_CHAIN):
            target = self._zone.alias(name)
            if target is None:
                return await self._end_of_chain(records, name, query.type)
            records.append(record(owner, CNAME, self._ttl, target))
            owner = name = target
        return Answer(rcode=wire.SERVFAIL)

    async def _end_of_chain(self, records: list[bytes], name: bytes, kind: int) -> Answer:
        if self._zone.holds(name, kind):
            found = self._zone.lookup(name, kind)
            own = [name + answer[2:] for answer in found.answers]
            return Answer((*records, *own), rcode=found.rcode, authority=found.authority)
        answer, age = await self._forwarder.ask(name + struct.pack(">HH", kind, wire.IN))
        return Answer((*records, *spelled_out(answer, age)), rcode=answer.rcode)


def _limit(query: Query, tcp: bool) -> int:
    return 65535 if tcp else min(query.size, wire.UDP_SIZE)
