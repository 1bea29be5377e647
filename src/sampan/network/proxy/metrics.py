"""What the proxy counts and times, under upstream's names (kube-proxy metrics reference)."""

from __future__ import annotations

from collections import Counter as Counted
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily

SYNC_BUCKETS = tuple(0.001 * 2**power for power in range(15))
PROGRAMMING_BUCKETS = (
    0.0, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, *range(1, 60), *range(60, 120, 5), *range(120, 301, 30),
)  # fmt: skip
FAMILY = ("ip_family",)
FAILURES = {
    "iptables": "kubeproxy_sync_proxy_rules_iptables_restore_failures_total",
    "nftables": "kubeproxy_sync_proxy_rules_nftables_sync_failures_total",
}
"""By mode; the others' have no name upstream."""
Counts = Callable[[], Mapping[str, Any]]


class Packets:
    """What the kernel counts for itself, asked for when the metrics are: several families' are one number."""

    def __init__(self) -> None:
        self._asked: list[Counts] = []

    def ask(self, counted: Counts) -> None:
        self._asked.append(counted)

    def collect(self) -> Iterator[CounterMetricFamily]:
        found = Counted[str]()
        for counted in self._asked:
            found.update(counted().get("packets", {}))
        for name, packets in found.items():
            yield CounterMetricFamily(f"kubeproxy_{name}", "Packets met by a rule of ours.", value=packets)


class Metrics:
    """One proxy's metrics in a registry of their own; `mode` as users know it, "" for none of upstream's."""

    def __init__(self, mode: str = "") -> None:
        self.registry = registry = CollectorRegistry()

        def seconds(name: str, about: str) -> Histogram:
            return Histogram(f"kubeproxy_{name}_seconds", about, FAMILY, buckets=SYNC_BUCKETS, registry=registry)

        def moment(name: str, about: str) -> Gauge:
            return Gauge(f"kubeproxy_{name}_timestamp_seconds", about, FAMILY, registry=registry)

        self._sync = seconds("sync_proxy_rules_duration", "Time to apply service rules.")
        self._full = seconds("sync_full_proxy_rules_duration", "Time to write all service rules anew.")
        self._partial = seconds("sync_partial_proxy_rules_duration", "Time to apply changes of service rules.")
        self._last = moment("sync_proxy_rules_last", "When service rules were last applied.")
        self._last_queued = moment("sync_proxy_rules_last_queued", "When a change was last queued.")
        self._programming = Histogram(
            "kubeproxy_network_programming_duration_seconds",
            "Time from the change of an endpoint to the rules that follow it.",
            FAMILY,
            buckets=PROGRAMMING_BUCKETS,
            registry=registry,
        )
        self._changes = {
            kind: Counter(f"kubeproxy_sync_proxy_rules_{kind}_changes_total", f"Changes of {about}.", registry=registry)
            for kind, about in (("endpoint", "EndpointSlices"), ("service", "Services"))
        }
        # A Service and its slices are one change here, and wait together.
        self._pending = [
            Gauge(f"kubeproxy_sync_proxy_rules_{kind}_changes_pending", f"{about} not yet applied.", registry=registry)
            for kind, about in (("service", "Services"), ("endpoint", "Services' endpoints"))
        ]
        self._forgotten = Counter(
            "kubeproxy_conntrack_reconciler_deleted_entries_total",
            "Stale flows deleted.",
            FAMILY,
            registry=registry,
        )
        self._forgotten_before: dict[str, int] = {}
        self._reconciled = seconds("conntrack_reconciler_sync_duration", "Time to find and delete stale flows.")
        self._cleanings: dict[str, int] = {}
        self._rules = {
            key: Gauge(f"kubeproxy_sync_proxy_rules_iptables_{name}", about, ("table", *FAMILY), registry=registry)
            for key, name, about in (
                ("tables", "total", "iptables' rules of ours."),
                ("written", "last", "iptables' rules written the last time."),
            )
        }
        self._packets = Packets()
        registry.register(self._packets)
        self._lacking = Gauge(
            "kubeproxy_sync_proxy_rules_no_local_endpoints_total",
            "Services with a Local policy and no endpoint here.",
            ("traffic_policy", *FAMILY),
            registry=registry,
        )
        self._failures = Counter(
            FAILURES.get(mode, "sampan_proxy_sync_failures_total"),
            "Service rules that could not be applied.",
            FAMILY,
            registry=registry,
        )
        self._partial_failures = Counter(
            "kubeproxy_sync_proxy_rules_iptables_partial_restore_failures_total",
            "Changes of iptables' rules that could not be applied.",
            FAMILY,
            registry=registry if mode == "iptables" else None,
        )
        self._health = {
            path: Counter(f"kubeproxy_proxy_{path}_total", f"Answers to /{path}.", ("code",), registry=registry)
            for path in ("healthz", "livez")
        }

    def changed(self, kind: str) -> None:
        """A watch brought a change; `kind` is "service" or "endpoint"."""
        self._changes[kind].inc()

    def queued(self, family: str, now: float, pending: int) -> None:
        self._last_queued.labels(family).set(now)
        self._wait(pending)

    def follow(self, family: str, lacking: Callable[[], Mapping[str, int]], counted: Counts) -> None:
        """`lacking`: services without local endpoints, by policy; `counted`: as `FamilyRules` gives it. Both are asked
        for when the metrics are."""
        for policy in ("internal", "external"):
            self._lacking.labels(policy, family).set_function(partial(_count, lacking, policy))
        for table in counted().get("tables", ()):
            for key, gauge in self._rules.items():
                gauge.labels(table, family).set_function(partial(_part, counted, key, table))
        self._packets.ask(counted)

    def applied(self, family: str, *, full: bool, seconds: float, now: float) -> None:
        """Rules of a family are in the kernel."""
        self._sync.labels(family).observe(seconds)
        (self._full if full else self._partial).labels(family).observe(seconds)
        self._last.labels(family).set(now)
        self._wait(0)

    def forgotten(self, family: str, counted: Mapping[str, Any]) -> None:
        """Stale flows were looked for, or not, and deleted; `counted` from the start."""
        flows, cleanings = counted.get("deletedFlows", 0), counted.get("flowCleanings", 0)
        self._forgotten.labels(family).inc(flows - self._forgotten_before.get(family, 0))
        if cleanings > self._cleanings.get(family, 0):
            self._reconciled.labels(family).observe(counted["flowCleaningSeconds"])
        self._forgotten_before[family], self._cleanings[family] = flows, cleanings

    def programmed(self, family: str, seconds: float) -> None:
        self._programming.labels(family).observe(max(seconds, 0))

    def failed(self, family: str, *, partial: bool = False) -> None:
        """`partial`: not all was to be written anew, but what had changed."""
        self._failures.labels(family).inc()
        if partial:
            self._partial_failures.labels(family).inc()

    def health(self, path: str, code: int) -> None:
        """An answer was given to `healthz` or `livez`."""
        self._health[path].labels(str(code)).inc()

    def _wait(self, pending: int) -> None:
        for gauge in self._pending:
            gauge.set(pending)


def _count(counted: Callable[[], Mapping[str, int]], label: str) -> float:
    return counted()[label]


def _part(counted: Counts, key: str, label: str) -> float:
    return float(counted()[key].get(label, 0))
