"""What is counted, under CoreDNS's names and labels, made when it is asked for: queries cost next to nothing by it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from sampan import __version__
from sampan.network.dns.tally import PROTOCOLS, RCODES, Buckets, Durations, Tally, by_size
from sampan.network.httpserver import NOT_FOUND, TEXT, Reply

PORT = 9153
WHERE = {"server": "dns://:53", "zone": ".", "view": ""}
"""CoreDNS tells apart what it is configured to listen to and to be for; here all is one."""
CACHE = {"server": "dns://:53", "zones": ".", "view": ""}
Samples = Iterable[tuple[Mapping[str, str], float]]


class Measured(NamedTuple):
    """`statistics`: of `DnsServer`; `tallies`: by protocol and family; `upstreams`: (server, code, how long its answers
    took); `programming`: from a change of endpoints to the answers that follow it."""

    statistics: Mapping[str, Any]
    tallies: Mapping[tuple[str, str], Tally]
    upstreams: Iterable[tuple[str, str, Durations]]
    programming: Durations


class Counts:
    """A prometheus collector."""

    def __init__(self, measured: Measured) -> None:
        self._found = measured

    def collect(self) -> Iterator[Metric]:
        yield _gauge("coredns_build_info", "What answers.", [({"version": f"sampan-{__version__}"}, 1)])
        yield from _queries(self._found.tallies)
        yield from _cache(self._found.statistics["upstream"]["cache"])
        yield from _forwarding(self._found)
        yield from _own(self._found)


def _queries(tallies: Mapping[tuple[str, str], Tally]) -> Iterator[Metric]:
    yield _counter(
        "coredns_dns_requests", "Queries.",
        (({**WHERE, "proto": protocol, "family": family, "type": name}, count)
         for (protocol, family), tally in tallies.items() for name, count in tally.types.items()),
    )  # fmt: skip
    rcodes = ((name, sum(tally.rcodes[code] for tally in tallies.values())) for code, name in enumerate(RCODES))
    yield _counter("coredns_dns_responses", "Answers.", (({**WHERE, "rcode": n, "plugin": ""}, c) for n, c in rcodes))
    for name, part in (("request", "asked"), ("response", "answered")):
        sizes = {protocol: Counter[int]() for protocol in PROTOCOLS}
        for (protocol, _), tally in tallies.items():
            sizes[protocol].update(getattr(tally, part))
        found = (({**WHERE, "proto": protocol}, by_size(sizes[protocol])) for protocol in PROTOCOLS)
        yield _histogram(f"coredns_dns_{name}_size_bytes", f"Bytes of a {name}.", found)
    durations = {id(tally.durations): tally.durations for tally in tallies.values()}
    taken = ((WHERE, each.buckets()) for each in durations.values())
    yield _histogram("coredns_dns_request_duration_seconds", "Time to answer.", taken)


def _cache(cache: Mapping[str, Any]) -> Iterator[Metric]:
    hits = cache["hits"]
    asked = sum(hits.values()) + cache["misses"]
    yield _counter("coredns_cache_requests", "Answers of others looked for.", [(CACHE, asked)])
    yield _counter("coredns_cache_misses", "Answers of others not known.", [(CACHE, cache["misses"])])
    yield _counter(
        "coredns_cache_hits", "Answers of others known.", (({**CACHE, "type": k}, n) for k, n in hits.items())
    )
    entries = cache["entries"].items()
    yield _gauge("coredns_cache_entries", "Answers of others kept.", (({**CACHE, "type": k}, n) for k, n in entries))


def _forwarding(found: Measured) -> Iterator[Metric]:
    upstream = found.statistics["upstream"]
    yield _counter("coredns_forward_requests", "Questions to others.", [({}, upstream["asked"])])
    yield _counter("coredns_forward_failures", "Questions that nobody answered.", [({}, upstream["failed"])])
    yield _counter("coredns_forward_max_concurrent_rejects", "Questions too many.", [({}, upstream["refused"])])
    yield _gauge("coredns_forward_concurrent", "Questions under way.", [({}, upstream["underWay"])])
    taken = (({"proxy_name": "forward", "to": to, "rcode": code}, each.buckets()) for to, code, each in found.upstreams)
    yield _histogram("coredns_proxy_request_duration_seconds", "Time others took to answer.", taken)


def _own(found: Measured) -> Iterator[Metric]:
    statistics, zone = found.statistics, found.statistics["zone"]
    yield _histogram(
        "coredns_kubernetes_dns_programming_duration_seconds", "From a change of endpoints to the answers.",
        [({"service_kind": "headless_with_selector"}, found.programming.buckets())],
    )  # fmt: skip
    yield _gauge("coredns_kubernetes_services", "Services with names.", [({}, zone["services"])])
    yield _gauge("sampan_dns_answers", "Answers made and kept.", [({}, zone["answers"])])
    yield _counter("sampan_dns_malformed", "Queries that are none.", [({}, statistics["malformed"])])
    yield _counter("sampan_dns_dropped", "Queries without answer.", [({}, statistics["sockets"].get("dropped", 0))])


def _counter(name: str, about: str, samples: Samples) -> Metric:
    return _filled(CounterMetricFamily, name, about, ((labels, (value,)) for labels, value in samples))


def _gauge(name: str, about: str, samples: Samples) -> Metric:
    return _filled(GaugeMetricFamily, name, about, ((labels, (value,)) for labels, value in samples))


def _histogram(name: str, about: str, samples: Iterable[tuple[Mapping[str, str], Buckets]]) -> Metric:
    return _filled(HistogramMetricFamily, name, about, samples)


def _filled(kind: Any, name: str, about: str, samples: Iterable[tuple[Mapping[str, str], tuple[Any, ...]]]) -> Metric:
    metric = None
    for labels, value in samples:
        metric = metric or kind(name, about, labels=list(labels))
        metric.add_metric(list(labels.values()), *value)
    return metric or kind(name, about, labels=[])


def answer(measured: Measured, ready: bool, path: str) -> Reply:
    """/metrics, /health (it runs) and /ready (the cluster's names are known)."""
    if path == "/metrics":
        registry = CollectorRegistry()
        registry.register(Counts(measured))
        return Reply(200, TEXT, generate_latest(registry).decode())
    if path in ("/health", "/ready"):
        good = ready or path == "/health"
        return Reply(200 if good else 503, TEXT, "OK" if good else "not ready")
    return NOT_FOUND
