"""What is counted, under CoreDNS's names where they fit, made when it is asked for: queries cost nothing by it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from sampan.network.httpserver import NOT_FOUND, TEXT, Reply

PORT = 9153


class Counts:
    """A prometheus collector over `DnsServer.statistics()`."""

    def __init__(self, statistics: Mapping[str, Any]) -> None:
        self._found = statistics

    def collect(self) -> Iterator[Metric]:
        found = self._found
        sockets, upstream = found["sockets"], found["upstream"]
        requests = CounterMetricFamily("coredns_dns_requests", "Queries.", labels=("proto",))
        for protocol in ("udp", "tcp"):
            requests.add_metric((protocol,), sockets.get(protocol, 0))
        yield requests
        cache = upstream["cache"]
        yield CounterMetricFamily("coredns_cache_hits", "Answers of others known.", value=cache["hits"])
        yield CounterMetricFamily("coredns_cache_misses", "Answers of others not known.", value=cache["misses"])
        yield GaugeMetricFamily("coredns_cache_entries", "Answers of others kept.", value=cache["entries"])
        yield CounterMetricFamily("coredns_forward_requests", "Questions to others.", value=upstream["asked"])
        failed = upstream["failed"] + upstream["refused"]
        yield CounterMetricFamily("coredns_forward_failures", "Questions that nobody answered.", value=failed)
        yield GaugeMetricFamily("coredns_forward_concurrent", "Questions under way.", value=upstream["underWay"])
        zone = found["zone"]
        yield GaugeMetricFamily("coredns_kubernetes_services", "Services with names.", value=zone["services"])
        yield GaugeMetricFamily("sampan_dns_answers", "Ready-made answers.", value=zone["answers"])
        yield CounterMetricFamily("sampan_dns_malformed", "Queries that are none.", value=found["malformed"])
        yield CounterMetricFamily("sampan_dns_dropped", "Queries without answer.", value=sockets.get("dropped", 0))


def answer(statistics: Mapping[str, Any], ready: bool, path: str) -> Reply:
    """/metrics, /health (it runs) and /ready (the cluster's names are known)."""
    if path == "/metrics":
        registry = CollectorRegistry()
        registry.register(Counts(statistics))
        return Reply(200, TEXT, generate_latest(registry).decode())
    if path in ("/health", "/ready"):
        good = ready or path == "/health"
        return Reply(200 if good else 503, TEXT, "OK" if good else "not ready")
    return NOT_FOUND
