"""What the proxy tells about itself and about services' endpoints on its node."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from prometheus_client import generate_latest

from sampan.api.kinds import core_v1, discovery_v1
from sampan.network.httpserver import Answer, Close
from sampan.network.proxy import ServiceProxy
from sampan.network.proxy.healthchecks import HealthCheck, reply
from sampan.network.proxy.healthserver import HealthChecks
from sampan.network.proxy.httpd import health_answer, metrics_answer
from sampan.network.proxy.metrics import Metrics
from sampan.network.triggers import ANNOTATION
from sampan.testing.clock import VirtualClock
from sampan.testing.fakeapi import FakeApi

from .fakes import FakeBackend
from .objects import endpoint_slice, node, service
from .test_proxy_component import Setting, setting

__all__ = ["setting"]


class FakeServer:
    """Ports that are open, and what they answer."""

    def __init__(self) -> None:
        self.open: dict[int, Answer] = {}
        self.taken: set[int] = set()

    async def __call__(self, port: int, answer: Answer) -> Close:
        if port in self.taken:
            raise OSError(98, "Address already in use")
        self.open[port] = answer

        async def close() -> None:
            del self.open[port]

        return close


async def test_ports_follow_the_services() -> None:
    server = FakeServer()
    checks = HealthChecks(server, lambda: True)
    await checks.update({"d/a": HealthCheck(31000, "d", "a", 2), "d/b": None}, full=True)
    assert server.open[31000]("/").status == 200
    await checks.update({"d/a": HealthCheck(31000, "d", "a", 0)}, full=False)
    assert server.open[31000]("/any").status == 503
    server.taken.add(31001)
    await checks.update({"d/b": HealthCheck(31001, "d", "b", 1)}, full=False)
    assert set(server.open) == {31000}, "one that cannot be had does not keep the others from being answered"
    server.taken.clear()
    await checks.update({"d/a": None}, full=False)
    assert set(server.open) == {31001}
    await checks.close()
    assert server.open == {}


def test_answer_of_a_health_check() -> None:
    status, headers, body = reply(HealthCheck(31000, "d", "a", 2), True)
    assert (status, headers["X-Load-Balancing-Endpoint-Weight"]) == (200, "2")
    expected = {"service": {"namespace": "d", "name": "a"}, "localEndpoints": 2, "serviceProxyHealthy": True}
    assert json.loads(body) == expected
    assert reply(HealthCheck(31000, "d", "a", 2), False).status == 503


async def test_a_local_load_balancer_is_checked() -> None:
    clock, server = VirtualClock(), FakeServer()
    api = FakeApi(clock)
    local = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 31000}
    pieces = endpoint_slice("web", "10.244.0.2", "10.244.0.3", "10.244.1.2")
    for endpoint, where in zip(pieces.endpoints, ("n1", "n1", "n2"), strict=True):
        endpoint.nodeName = where
    pieces.endpoints[1].conditions = discovery_v1.EndpointConditions(ready=False)
    api.add(service("web", **local), pieces)
    proxy = ServiceProxy(
        client=api, clock=clock, rng=random.Random(1), node_name="n1", backends={"IPv4": FakeBackend()}, server=server
    )
    async with running(proxy, clock):
        assert json.loads(server.open[31000]("/").body)["localEndpoints"] == 1
        api.change(core_v1.Service, "web", "default", lambda obj: setattr(obj.spec, "externalTrafficPolicy", "Cluster"))
        await clock.advance(1)
        assert server.open == {}


async def test_healthz(setting: Setting) -> None:
    def ask(path: str) -> tuple[int, dict[str, Any]]:
        found = health_answer(setting.proxy, setting.clock, path)
        return found.status, json.loads(found.body)

    assert ask("/healthz")[0] == 200
    assert ask("/livez")[1].keys() == {"lastUpdated", "currentTime"}
    taint = core_v1.Taint(key="ToBeDeletedByClusterAutoscaler", effect="NoSchedule")
    setting.api.add(node("n1", spec=core_v1.NodeSpec(taints=[taint])))
    await setting.clock.advance(1)
    status, body = ask("/healthz")
    assert (status, body["nodeEligible"]) == (503, False)
    assert body["lastUpdated"] < body["currentTime"]
    assert ask("/livez")[0] == 200
    assert health_answer(setting.proxy, setting.clock, "/else").status == 404


async def test_a_proxy_that_cannot_write_is_unhealthy(setting: Setting) -> None:
    setting.backend.refuse = 10**6
    setting.api.add(service("other", "10.96.0.6"))
    await setting.clock.advance(30)
    assert not setting.proxy.healthy()
    assert health_answer(setting.proxy, setting.clock, "/livez").status == 200, "a hitch is nobody's business"
    await setting.clock.advance(31)
    assert health_answer(setting.proxy, setting.clock, "/livez").status == 503
    setting.backend.refuse = 0
    await setting.clock.advance(60)
    assert health_answer(setting.proxy, setting.clock, "/livez").status == 200


UPSTREAM = {
    f"kubeproxy_{name}"
    for name in (
        "sync_proxy_rules_last_timestamp_seconds",
        "sync_proxy_rules_last_queued_timestamp_seconds",
        "sync_proxy_rules_endpoint_changes_pending",
        "sync_proxy_rules_service_changes_pending",
        "sync_proxy_rules_no_local_endpoints_total",
        "conntrack_reconciler_deleted_entries_total",
        "network_programming_duration_seconds_bucket",
    )
}
"""Names that upstream's dashboards ask for, besides those whose values are looked at."""


@pytest.mark.parametrize(
    ("mode", "name"),
    [
        ("nftables", "kubeproxy_sync_proxy_rules_nftables_sync_failures_total"),
        ("iptables", "kubeproxy_sync_proxy_rules_iptables_restore_failures_total"),
        ("ebpf", "sampan_proxy_sync_failures_total"),
    ],
)
def test_failures_are_counted_under_the_modes_name(mode: str, name: str) -> None:
    metrics = Metrics(mode)
    metrics.failed("IPv4")
    assert metrics.registry.get_sample_value(name, {"ip_family": "IPv4"}) == 1


def test_iptables_rules_and_deleted_flows_are_told() -> None:
    metrics = Metrics("iptables")
    dropped, family = "iptables_ct_state_invalid_dropped_packets", {"ip_family": "IPv4"}
    counted = {"tables": {"nat": 7, "filter": 3}, "written": {"nat": 2}, "packets": {dropped: 5}}
    for name in ("IPv4", "IPv6"):
        metrics.follow(name, dict, lambda: counted)
    for flows, cleanings in ((5, 1), (5, 1), (9, 2)):
        told = {"deletedFlows": flows, "flowCleanings": cleanings, "flowCleaningSeconds": 0.25}
        metrics.forgotten("IPv4", told)
    seen = metrics.registry.get_sample_value
    assert seen("kubeproxy_sync_proxy_rules_iptables_total", {"table": "nat", **family}) == 7
    assert seen("kubeproxy_sync_proxy_rules_iptables_last", {"table": "nat", **family}) == 2
    assert seen("kubeproxy_sync_proxy_rules_iptables_last", {"table": "filter", **family}) == 0
    assert seen(f"kubeproxy_{dropped}_total") == 10, "both families' together"
    assert seen("kubeproxy_conntrack_reconciler_deleted_entries_total", family) == 9
    assert seen("kubeproxy_conntrack_reconciler_sync_duration_seconds_sum", family) == 0.5


def test_changes_that_are_refused_are_counted_by_themselves() -> None:
    metrics, name = Metrics("iptables"), "kubeproxy_sync_proxy_rules_iptables_partial_restore_failures_total"
    for partial in (False, True):
        metrics.failed("IPv4", partial=partial)
    assert metrics.registry.get_sample_value(name, {"ip_family": "IPv4"}) == 1
    assert f"# TYPE {name.removesuffix('_total')}" not in generate_latest(Metrics("nftables").registry).decode()


async def test_metrics(setting: Setting) -> None:
    def change(piece: Any) -> None:
        piece.endpoints.clear()
        piece.metadata.annotations = {ANNOTATION: "2200-01-01T00:00:00.000000001Z"}

    setting.api.change(discovery_v1.EndpointSlice, "web-1", "default", change)
    await setting.clock.advance(1)
    text = metrics_answer(setting.proxy, "nftables", setting.proxy.statistics, "/metrics").body
    for line in (
        'kubeproxy_sync_proxy_rules_duration_seconds_count{ip_family="IPv4"} 2.0',
        'kubeproxy_sync_full_proxy_rules_duration_seconds_count{ip_family="IPv4"} 1.0',
        'kubeproxy_sync_partial_proxy_rules_duration_seconds_count{ip_family="IPv4"} 1.0',
        'kubeproxy_network_programming_duration_seconds_count{ip_family="IPv4"} 1.0',
        "kubeproxy_sync_proxy_rules_service_changes_total 1.0",
        "kubeproxy_sync_proxy_rules_endpoint_changes_total 2.0",
    ):
        assert line in text
    names = {line.partition("{")[0].partition(" ")[0] for line in text.splitlines() if not line.startswith("#")}
    assert names >= UPSTREAM
    assert metrics_answer(setting.proxy, "nftables", setting.proxy.statistics, "/proxyMode").body == "nftables"
    assert metrics_answer(setting.proxy, "nftables", setting.proxy.statistics, "/nothing").status == 404


async def test_the_zone_of_the_node_counts(setting: Setting) -> None:
    def hint(piece: Any) -> None:
        piece.endpoints.append(discovery_v1.Endpoint(addresses=["10.244.1.2"]))
        for endpoint, zone in zip(piece.endpoints, ("a", "b"), strict=True):
            endpoint.hints = discovery_v1.EndpointHints(forZones=[discovery_v1.ForZone(name=zone)])

    setting.api.change(discovery_v1.EndpointSlice, "web-1", "default", hint)
    await setting.clock.advance(1)
    assert setting.endpoints("web") == ["10.244.0.2", "10.244.1.2"]
    setting.api.add(node("n1", {"topology.kubernetes.io/zone": "b"}))
    await setting.clock.advance(1)
    assert setting.endpoints("web") == ["10.244.1.2"]


@asynccontextmanager
async def running(proxy: ServiceProxy, clock: VirtualClock) -> AsyncIterator[None]:
    task = asyncio.create_task(proxy.run())
    await clock.advance(1)
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
