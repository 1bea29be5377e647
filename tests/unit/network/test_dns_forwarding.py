from __future__ import annotations

import asyncio
import contextlib
import random
import struct

import dnslib
import pytest

from sampan.network.dns import message, wire
from sampan.network.dns.cache import AnswerCache
from sampan.network.dns.forwarding import Forwarder, NoAnswer, nameservers
from sampan.network.dns.message import Broken
from sampan.network.dns.records import Record
from sampan.network.dns.resolver import Resolver
from sampan.network.dns.wire import encode_name
from sampan.network.dns.zone import Zone
from sampan.testing.clock import VirtualClock

from .fakes import FakeResolvers

QUESTION = encode_name("example.org") + struct.pack(">HH", wire.A, wire.IN)
ADDRESS = "example.org. 60 IN A 192.0.2.80"


class Setting:
    def __init__(self, **servers: str) -> None:
        self.clock = VirtualClock()
        self.resolvers = FakeResolvers(**servers)
        self.forwarder = Forwarder(
            exchange=self.resolvers, clock=self.clock, rng=random.Random(1), cache=AnswerCache(capacity=2)
        )
        self.forwarder.use(self.resolvers.servers)

    async def ask(self, question: bytes = QUESTION, within: float = 10) -> tuple[message.Message, int]:
        task = asyncio.ensure_future(self.forwarder.ask(question))
        for _ in range(int(within * 2)):
            await self.clock.advance(0 if task.done() else 0.5)
        return await task

    def servers_asked(self) -> list[str]:
        return [server for _, server, _ in self.resolvers.asked]


def address(found: message.Message) -> str:
    return str(dnslib.DNSRecord.parse(found.data).a.rdata)


async def test_answers_are_kept_and_grow_old() -> None:
    setting = Setting(a=ADDRESS)
    found, age = await setting.ask(within=1)
    assert (address(found), age) == ("192.0.2.80", 0)
    await setting.clock.advance(20)
    assert (await setting.ask(within=0))[1] == 20
    assert len(setting.resolvers.asked) == 1
    await setting.clock.advance(11)
    await setting.ask(within=1)
    assert len(setting.resolvers.asked) == 2, "kept no longer than half a minute"


async def test_nothing_found_is_kept_as_its_authority_says() -> None:
    setting = Setting(a="nxdomain")
    assert (await setting.ask(within=1))[0].rcode == wire.NXDOMAIN
    await setting.clock.advance(9)
    await setting.ask(within=0)
    assert len(setting.resolvers.asked) == 1
    await setting.clock.advance(2)
    await setting.ask(within=1)
    assert len(setting.resolvers.asked) == 2


async def test_signatures_are_asked_for_and_kept_apart() -> None:
    """Who does not want them, or wants what is checked, is not given the others' answer."""
    setting = Setting(a=ADDRESS)
    answering = Resolver(Zone(), setting.forwarder)
    for do, cd in ((True, False), (False, False), (False, True)):
        client = dnslib.DNSRecord.question("example.org")
        client.header.cd = cd
        client.add_ar(dnslib.EDNS0(flags="do" if do else "", udp_len=1232))
        query = wire.parse_query(bytes(client.pack()))
        assert answering.known(query, tcp=False) is None
        answer = dnslib.DNSRecord.parse(await answering.resolve(query, tcp=False))
        upstream = dnslib.DNSRecord.parse(setting.resolvers.queries[-1])
        for seen in (answer, upstream):
            assert (seen.ar[0].edns_do, seen.header.cd) == (do, cd)
        assert answering.known(query, tcp=False) is not None
    assert len(setting.resolvers.asked) == 3


async def test_one_question_is_asked_once() -> None:
    setting = Setting(a=ADDRESS)
    setting.resolvers.hold = asyncio.Event()
    tasks = [asyncio.ensure_future(setting.forwarder.ask(QUESTION)) for _ in range(5)]
    await setting.clock.advance(0.1)
    setting.resolvers.hold.set()
    await setting.clock.advance(0.1)
    assert [address((await task)[0]) for task in tasks] == ["192.0.2.80"] * 5
    assert len(setting.resolvers.asked) == 1


@pytest.mark.parametrize("fault", ["silent", "refused", "servfail"])
async def test_the_next_server_is_asked(fault: str) -> None:
    setting = Setting(a=fault, b=ADDRESS)
    assert address((await setting.ask())[0]) == "192.0.2.80"
    assert setting.servers_asked() == ["a", "b"]


async def test_a_server_that_failed_rests() -> None:
    setting = Setting(a="refused", b="nxdomain-not-kept")
    await setting.ask(within=1)
    other = encode_name("other.org") + QUESTION[-4:]
    await setting.ask(other, within=1)
    assert setting.servers_asked() == ["a", "b", "b"]
    await setting.clock.advance(60)
    await setting.ask(encode_name("third.org") + QUESTION[-4:], within=1)
    assert setting.servers_asked()[3:] == ["a", "b"]


async def test_stub_domains_have_servers_of_their_own() -> None:
    setting = Setting(a=ADDRESS, b=ADDRESS, c=ADDRESS)
    stubs = {encode_name("corp.example"): ["b"], encode_name("deep.corp.example"): ["c"]}
    setting.forwarder.use(["a"], stubs)
    for name in ("example.org", "corp.example", "www.corp.example", "x.deep.corp.example", "notcorp.example"):
        with contextlib.suppress(NoAnswer):
            await setting.ask(encode_name(name) + QUESTION[-4:], within=1)
    assert setting.servers_asked() == ["a", "b", "b", "c", "a"]


async def test_truncated_is_asked_for_by_tcp() -> None:
    setting = Setting(a="truncates")
    assert address((await setting.ask(within=1))[0]) == "192.0.2.80"
    assert [way for way, _, _ in setting.resolvers.asked] == ["udp", "tcp"]


async def test_nobody_answers() -> None:
    with pytest.raises(NoAnswer):
        await Setting(a="silent").ask()
    with pytest.raises(NoAnswer):
        await Setting().ask()


async def test_a_server_that_asks_us_back_is_dropped() -> None:
    setting = Setting(a=ADDRESS, b=ADDRESS)
    setting.resolvers.hold = asyncio.Event()
    task = asyncio.ensure_future(setting.forwarder.find_loops())
    await setting.clock.advance(0.1)
    probe = encode_name(setting.resolvers.asked[0][2])
    assert setting.forwarder.is_probe(probe)
    setting.resolvers.hold.set()
    await setting.clock.advance(5)
    await task
    assert not setting.forwarder.is_probe(probe)
    setting.resolvers.asked.clear()
    await setting.ask(within=1)
    assert setting.servers_asked() == ["b"]


async def test_the_cache_is_bounded() -> None:
    setting = Setting(a=ADDRESS)
    for name in ("one", "two", "three"):
        await setting.ask(encode_name(name) + QUESTION[-4:], within=1)
    assert setting.forwarder.statistics()["cache"]["entries"] == {"success": 2, "denial": 0}


def resolver(setting: Setting, target: str) -> Resolver:
    zone = Zone()
    zone.replace("d/ext", frozenset([Record(encode_name("ext.d.svc.cluster.local"), wire.CNAME, encode_name(target))]))
    zone.replace("d/web", frozenset([Record(encode_name("web.d.svc.cluster.local"), wire.A, b"\x0a\x60\x00\x05")]))
    return Resolver(zone, setting.forwarder)


async def resolve(setting: Setting, target: str) -> list[str]:
    query = wire.parse_query(bytes(dnslib.DNSRecord.question("ext.d.svc.cluster.local").pack()))
    task = asyncio.ensure_future(resolver(setting, target).resolve(query, tcp=False))
    await setting.clock.advance(5)
    parsed = dnslib.DNSRecord.parse(await task)
    return [dnslib.RCODE[parsed.header.rcode], *(f"{item.rname} {item.rdata}" for item in parsed.rr)]


async def test_external_name_is_followed() -> None:
    alias = "ext.d.svc.cluster.local."
    assert await resolve(Setting(a=ADDRESS), "example.org") == [
        "NOERROR", f"{alias} example.org.", "example.org. 192.0.2.80",
    ]  # fmt: skip
    assert await resolve(Setting(), "web.d.svc.cluster.local") == [
        "NOERROR", f"{alias} web.d.svc.cluster.local.", "web.d.svc.cluster.local. 10.96.0.5",
    ]  # fmt: skip
    assert await resolve(Setting(), "ext.d.svc.cluster.local") == ["SERVFAIL"]
    assert (await resolve(Setting(), "gone.d.svc.cluster.local"))[0] == "NXDOMAIN"
    assert await resolve(Setting(a="silent"), "example.org") == ["SERVFAIL"]


def test_resolv_conf() -> None:
    text = "# x\nnameserver 192.0.2.1\nsearch a b\nnameserver  10.96.0.10\nnameserver fe80::1%eth0\nnameserver x\n"
    assert nameservers(text, {"10.96.0.10"}) == ["192.0.2.1", "fe80::1%eth0"]
    assert nameservers("", ()) == []


@pytest.mark.parametrize("cut", range(0, 60, 3))
def test_broken_responses(cut: int) -> None:
    query = dnslib.DNSRecord.parse(message.query_bytes(7, QUESTION))
    reply = query.reply()
    reply.add_answer(*dnslib.RR.fromZone(ADDRESS))
    data = bytes(reply.pack())
    assert message.parse(data, 7, QUESTION).parts
    with pytest.raises(Broken):
        message.parse(data[: min(cut, len(data) - 1)], 7, QUESTION)
    with pytest.raises(Broken):
        message.parse(data, 8, QUESTION)


def test_reply_is_cut_to_size() -> None:
    query = dnslib.DNSRecord.parse(message.query_bytes(7, QUESTION))
    reply = query.reply()
    for number in range(100):
        reply.add_answer(*dnslib.RR.fromZone(f"example.org. 60 IN A 192.0.2.{number}"))
    found = message.parse(bytes(reply.pack()), 7, QUESTION)
    client = wire.parse_query(bytes(dnslib.DNSRecord.question("eXample.org").pack()))
    short = dnslib.DNSRecord.parse(message.reply(found, client, 512, age=7))
    assert short.header.tc
    assert 20 < len(short.rr) < 40
    assert short.rr[0].ttl == 53
    assert str(short.q.qname) == "eXample.org."
