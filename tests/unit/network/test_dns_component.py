"""The DNS server on loopback sockets, over a fake API."""

from __future__ import annotations

import asyncio
import random
import socket
import stat
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import dnslib
import pytest
from prometheus_client.parser import text_string_to_metric_families

from sampan.aio.clock import SystemClock, timestamp
from sampan.api.kinds import core_v1, discovery_v1, meta_v1
from sampan.network.dns import DnsServer, customization, metrics, snapshot
from sampan.network.dns.conversation import PIPELINED
from sampan.network.dns.outstanding import Outstanding
from sampan.network.dns.server import Busy
from sampan.network.dns.zone import Zone
from sampan.network.triggers import ANNOTATION
from sampan.testing.fakeapi import FakeApi

from .fakes import FakeResolvers
from .objects import endpoint_slice, service


def namespace(name: str) -> Any:
    return core_v1.Namespace(kind="Namespace", apiVersion="v1", metadata=meta_v1.ObjectMeta(name=name))


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - the condition has no event of its own
        await asyncio.sleep(0)


class Setting:
    def __init__(self, resolv_conf: Path, memory: Path | None = None) -> None:
        self.api = FakeApi()
        self.resolvers = FakeResolvers(a="x.org. 60 IN A 192.0.2.80")
        self.resolv_conf = resolv_conf
        self.memory = memory
        self.server = self.make(0)

    def make(self, port: int) -> DnsServer:
        return DnsServer(
            client=self.api, clock=SystemClock(), rng=random.Random(1), addresses=["127.0.0.1"], port=port,
            interface_name="", upstreams=["192.0.2.53"], resolv_conf=self.resolv_conf, exchange=self.resolvers,
            memory=self.memory,
        )  # fmt: skip

    async def ask(self, name: str, kind: str = "A", *, tcp: bool = False) -> dnslib.DNSRecord:
        query = bytes(dnslib.DNSRecord.question(name, kind).pack())
        answer = await (self._tcp(query) if tcp else self._udp(query))
        assert answer[:2] == query[:2]
        return dnslib.DNSRecord.parse(answer)

    async def _udp(self, query: bytes) -> bytes:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.setblocking(False)
            await loop.sock_connect(client, ("127.0.0.1", self.server.bound_port))
            await loop.sock_sendall(client, query)
            return await asyncio.wait_for(loop.sock_recv(client, 4096), 5)

    async def _tcp(self, query: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.bound_port)
        writer.write(struct.pack(">H", len(query)) + query)
        length = struct.unpack(">H", await asyncio.wait_for(reader.readexactly(2), 5))[0]
        answer = await reader.readexactly(length)
        writer.close()
        await writer.wait_closed()
        return answer


@asynccontextmanager
async def running(setting: Setting, *, healthy: bool) -> AsyncIterator[None]:
    task = asyncio.create_task(setting.server.run())
    try:
        async with asyncio.timeout(10):
            await setting.server.listening()
            await until(lambda: setting.server.healthy() == healthy)
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def setting(tmp_path: Path) -> AsyncIterator[Setting]:
    setting = Setting(tmp_path / "resolv.conf")
    setting.resolvers.servers["192.0.2.53"] = "x.org. 60 IN A 192.0.2.80"
    addresses = [f"10.244.{a}.{b}" for a in range(2) for b in range(1, 51)]
    setting.api.add(service("web"), service("many", "None"), endpoint_slice("many", *addresses))
    async with running(setting, healthy=True):
        yield setting


async def test_names_follow_the_api(setting: Setting) -> None:
    name = "web.default.svc.cluster.local"
    assert str((await setting.ask(name)).a.rdata) == "10.96.0.5"
    await setting.api.delete(core_v1.Service, "web", "default")
    async with asyncio.timeout(10):
        await until(lambda: setting.server.zone.statistics()["services"] == 1)
    assert (await setting.ask(name)).header.rcode == dnslib.RCODE.NXDOMAIN


async def test_headless_names_do_not_lead_to_nodes_that_do_not_answer(setting: Setting) -> None:
    pieces = endpoint_slice("db", "10.244.0.2", "10.244.1.2")
    for endpoint, node in zip(pieces.endpoints, ("n1", "n2"), strict=True):
        endpoint.nodeName = node
    setting.api.add(service("db", "None"), pieces)

    async def known() -> set[str]:
        return {str(record.rdata) for record in (await setting.ask("db.default.svc.cluster.local")).rr}

    async with asyncio.timeout(10):
        await until(lambda: setting.server.zone.statistics()["services"] == 3)
    assert await known() == {"10.244.0.2", "10.244.1.2"}
    setting.server.avoid(frozenset({"n2"}))
    assert await known() == {"10.244.0.2"}
    setting.server.avoid(frozenset())
    assert await known() == {"10.244.0.2", "10.244.1.2"}


async def test_names_outlive_a_restart_without_the_api(tmp_path: Path) -> None:
    first = Setting(tmp_path / "resolv.conf", memory=tmp_path / "n" / "names")
    first.api.add(service("web"), service("db", "None"), endpoint_slice("db", "10.244.0.2"), namespace("default"))
    async with running(first, healthy=True):
        async with asyncio.timeout(10):
            await until((tmp_path / "n" / "names").exists)
    assert stat.S_IMODE((tmp_path / "n" / "names").stat().st_mode) == 0o600
    second = Setting(tmp_path / "resolv.conf", memory=tmp_path / "n" / "names")
    second.api.fail("list", times=1000)
    second.api.fail("watch", times=1000)
    async with running(second, healthy=False):
        for name in ("web.default.svc.cluster.local", "10-244-0-2.db.default.svc.cluster.local"):
            assert (await second.ask(name)).rr, "as it was"
        assert (await second.ask("new.default.svc.cluster.local")).header.rcode == dnslib.RCODE.SERVFAIL
        second.api.add(service("web"))
        second.api.recover()
        async with asyncio.timeout(60):
            await until(second.server.healthy)
        assert (await second.ask("db.default.svc.cluster.local")).header.rcode == dnslib.RCODE.NXDOMAIN
        assert (await second.ask("1-2-3-4.default.pod.cluster.local")).header.rcode == dnslib.RCODE.NXDOMAIN
        assert (await second.ask("web.default.svc.cluster.local")).rr


@pytest.mark.parametrize("content", [b"", b"\x93\x01\x02", b"nonsense" * 100])
def test_a_damaged_memory_is_none(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "names").write_bytes(content)
    assert snapshot.read(tmp_path / "names", "cluster.local") is None


def test_a_memory_is_for_its_zone(tmp_path: Path) -> None:
    zone = Zone("cluster.local")
    zone.add_namespace("default")
    snapshot.write(tmp_path / "names", snapshot.taken(zone))
    found = snapshot.read(tmp_path / "names", "cluster.local")
    assert found is not None and found.namespaces == ["default"]
    assert snapshot.read(tmp_path / "names", "other.local") is None


async def test_large_answers_by_tcp(setting: Setting) -> None:
    name = "many.default.svc.cluster.local"
    cut = await setting.ask(name)
    assert cut.header.tc and len(cut.rr) < 30
    assert len((await setting.ask(name, tcp=True)).rr) == 100


async def test_other_names_are_forwarded(setting: Setting) -> None:
    for tcp in (False, True):
        assert str((await setting.ask("x.org", tcp=tcp)).a.rdata) == "192.0.2.80"
    asked = [name for _, _, name in setting.resolvers.asked]
    assert asked.count("x.org.") == 1
    assert setting.server.statistics()["upstream"]["servers"] == {"192.0.2.53": "used"}


async def pipelined(setting: Setting, *names: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which these were asked, numbered from 0."""
    reader, writer = await asyncio.open_connection("127.0.0.1", setting.server.bound_port)
    for number, name in enumerate(names):
        record = dnslib.DNSRecord.question(name)
        record.header.id = number
        query = bytes(record.pack())
        writer.write(struct.pack(">H", len(query)) + query)
    return reader, writer


async def answered(reader: asyncio.StreamReader) -> int:
    """The number of the question that is answered next."""
    length = struct.unpack(">H", await asyncio.wait_for(reader.readexactly(2), 5))[0]
    return dnslib.DNSRecord.parse(await reader.readexactly(length)).header.id


async def test_a_slow_name_holds_up_no_other_on_its_connection(setting: Setting) -> None:
    setting.resolvers.hold = asyncio.Event()
    reader, writer = await pipelined(setting, "x.org", "web.default.svc.cluster.local")
    assert await answered(reader) == 1
    writer.write_eof()
    setting.resolvers.hold.set()
    assert await answered(reader) == 0, "who has said all waits for the answers"
    assert await reader.read() == b""
    writer.close()


async def test_a_connection_has_so_many_slow_ones_at_once(setting: Setting) -> None:
    setting.resolvers.hold = asyncio.Event()
    slow = [f"x{number}.org" for number in range(PIPELINED + 5)]
    reader, writer = await pipelined(setting, *slow, "web.default.svc.cluster.local")
    await until(lambda: setting.server.statistics()["sockets"]["slowNow"] == PIPELINED)
    assert (await setting.ask("web.default.svc.cluster.local")).rr, "others are answered"
    assert setting.server.statistics()["sockets"]["slowNow"] == PIPELINED
    setting.resolvers.hold.set()
    assert {await answered(reader) for _ in range(PIPELINED + 6)} == set(range(PIPELINED + 6))
    writer.close()


async def test_who_hangs_up_takes_no_answer_from_others(setting: Setting) -> None:
    setting.resolvers.hold = asyncio.Event()
    _, first = await pipelined(setting, "x.org")
    await until(lambda: setting.server.statistics()["sockets"]["slowNow"] == 1)
    other = asyncio.create_task(setting.ask("x.org"))
    await until(lambda: setting.server.statistics()["upstream"]["shared"] == 1)
    first.transport.abort()
    setting.resolvers.hold.set()
    assert (await other).rr
    await until(lambda: setting.server.statistics()["sockets"]["slowNow"] == 0)


def test_one_client_cannot_have_all_slow_ones() -> None:
    outstanding = Outstanding(at_once=3, client_at_once=2)
    assert [outstanding.take(client) for client in ("a", "a", "a", "b", "c")] == [True, True, False, True, False]
    outstanding.give("a")
    assert outstanding.take("c") and not outstanding.take("a")
    for client in ("a", "b", "c"):
        outstanding.give(client)
    assert (outstanding.now, outstanding.ever) == (0, 4)


async def test_one_client_cannot_have_all_connections(setting: Setting) -> None:
    opened = [await asyncio.open_connection("127.0.0.1", setting.server.bound_port) for _ in range(40)]
    await until(lambda: setting.server.statistics()["sockets"]["dropped"] == 8)
    assert setting.server.statistics()["sockets"]["connections"] == 32
    for _, writer in opened:
        writer.close()
    await until(lambda: setting.server.statistics()["sockets"]["connections"] == 0)
    assert (await setting.ask("web.default.svc.cluster.local", tcp=True)).rr


async def test_a_taken_port_is_told(setting: Setting) -> None:
    with pytest.raises(Busy, match="in use by another DNS server"):
        await setting.make(setting.server.bound_port).run()


async def test_customized_by_a_config_map(setting: Setting) -> None:
    def config_map(**data: str) -> object:
        metadata = meta_v1.ObjectMeta(name="kube-dns", namespace="kube-system")
        return core_v1.ConfigMap(kind="ConfigMap", apiVersion="v1", metadata=metadata, data=data)

    setting.resolvers.servers["198.51.100.7.5353"] = "x.corp.example. 60 IN A 192.0.2.7"
    hosts = "192.0.2.8 printer.lan printer # the one upstairs\nnonsense\n"
    setting.api.add(config_map(stubDomains='{"corp.example": ["198.51.100.7:5353"]}', hosts=hosts))
    await until(lambda: "198.51.100.7:5353" in setting.server.statistics()["upstream"]["servers"])
    assert str((await setting.ask("x.corp.example")).a.rdata) == "192.0.2.7"
    assert str((await setting.ask("printer")).a.rdata) == "192.0.2.8"
    assert str((await setting.ask("8.2.0.192.in-addr.arpa", "PTR")).rr[0].rdata) == "printer.lan."
    assert str((await setting.ask("x.org")).a.rdata) == "192.0.2.80"
    await setting.api.delete(core_v1.ConfigMap, "kube-dns", "kube-system")
    await until(lambda: "198.51.100.7:5353" not in setting.server.statistics()["upstream"]["servers"])


async def test_metrics_have_core_dns_names(setting: Setting) -> None:
    await setting.ask("web.default.svc.cluster.local")
    await setting.ask("web.default.svc.cluster.local", tcp=True)
    await setting.ask("nobody.default.svc.cluster.local", "AAAA")
    for _ in range(2):
        await setting.ask("x.org")
    dns = "coredns_dns_"
    assert measured(setting, f"{dns}requests_total", proto="udp", family="1", type="A") == 3
    assert measured(setting, f"{dns}requests_total", server="dns://:53", zone=".", view="", type="AAAA") == 1
    assert measured(setting, f"{dns}requests_total", proto="tcp") == 1
    assert measured(setting, f"{dns}responses_total", rcode="NOERROR", plugin="") == 4
    assert measured(setting, f"{dns}responses_total", rcode="NXDOMAIN") == 1
    assert measured(setting, f"{dns}request_size_bytes_bucket", le="100", proto="udp") == 4
    assert measured(setting, f"{dns}response_size_bytes_count", proto="tcp") == 1
    assert measured(setting, f"{dns}request_duration_seconds_count") == 5
    assert measured(setting, "coredns_cache_hits_total", type="success") == 1
    assert measured(setting, "coredns_cache_entries", type="denial") == 0
    assert measured(setting, "coredns_cache_misses_total", zones=".") == 1
    upstream = {"proxy_name": "forward", "rcode": "NOERROR", "to": "192.0.2.53"}
    assert measured(setting, "coredns_proxy_request_duration_seconds_count", **upstream) == 1
    assert measured(setting, "coredns_forward_requests_total") == 1
    assert measured(setting, "coredns_kubernetes_services") == 2
    for ready, path, status in ((False, "/ready", 503), (False, "/health", 200), (True, "/else", 404)):
        assert metrics.answer(setting.server.measured(), ready, path).status == status


async def test_how_soon_headless_names_follow_is_told(setting: Setting) -> None:
    def touch(piece: Any) -> None:
        piece.metadata.annotations = {ANNOTATION: timestamp(SystemClock().now() + 1)}

    setting.api.change(discovery_v1.EndpointSlice, "many-1", "default", touch)
    name, kind = "coredns_kubernetes_dns_programming_duration_seconds_count", "headless_with_selector"
    async with asyncio.timeout(10):
        await until(lambda: measured(setting, name, service_kind=kind) == 1)


def measured(setting: Setting, name: str, **labels: str) -> float:
    """The sum of the samples of a metric that have these labels."""
    text = metrics.answer(setting.server.measured(), True, "/metrics").body
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    found = [sample.value for sample in samples if sample.name == name and labels.items() <= sample.labels.items()]
    assert found, f"{name} {labels} is not in {text}"
    return sum(found)


@pytest.mark.parametrize(
    ("key", "value"),
    [("stubDomains", "[]"), ("stubDomains", '{"a": "1.2.3.4"}'), ("upstreamNameservers", '["here"]'),
     ("upstreamNameservers", '["1.2.3.4:x"]'), ("upstreamNameservers", "{")],
)  # fmt: skip
def test_a_wrong_value_is_told_and_left_out(key: str, value: str) -> None:
    found = customization.read(core_v1.ConfigMap(data={key: value}))
    assert (found.stubs, found.upstreams) == ({}, None)
    assert found.problems[0].startswith(key)
