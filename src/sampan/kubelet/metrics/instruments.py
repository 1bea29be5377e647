"""/metrics: what the kubelet counts of its own work, by upstream's names (pkg/kubelet/metrics)."""

from __future__ import annotations

from collections import Counter as PlainCounts
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from sampan.kubelet.metrics.exposition import Family, Sample
from sampan.kubelet.metrics.plain import PlainCounter

FAST = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
MINUTES = (60.0, 120.0, 180.0, 240.0, 300.0, 360.0, 480.0, 600.0, 900.0, 1200.0, 1800.0, 2700.0, 3600.0)
SLOW = (0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 20.0, 30.0, 45.0, *MINUTES)
OPERATION = tuple(round(0.005 * 2.5**power, 10) for power in range(14))
SYNC = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 20.0, 30.0, 45.0, 60.0)
REQUEST = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
STORAGE = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 25.0, 50.0, 120.0, 300.0, 600.0)
BUILD = ("git_version", "major", "minor", "platform")


class Instruments:
    """One kubelet's; `registry` holds them all. `monotonic` is the clock's."""

    def __init__(self, node_name: str, version: str, monotonic: Callable[[], float]) -> None:
        self.registry = CollectorRegistry()
        self._monotonic = monotonic
        self._relisted: float | None = None
        self._checks: PlainCounts[str] = PlainCounts()
        ProcessCollector(registry=self.registry)
        self._constants(node_name, version)
        self._of_the_runtime()
        self._of_pods()
        self._of_the_node()
        self._of_the_api()
        self._of_volumes()

    def _constants(self, node_name: str, version: str) -> None:
        build = Gauge("kubernetes_build_info", "Build version.", BUILD, registry=self.registry)
        build.labels(version, "1", "36", "linux").set(1)
        name = Gauge("kubelet_node_name", "The node's name. The count is always 1.", ["node"], registry=self.registry)
        name.labels(node_name).set(1)

    def _of_the_runtime(self) -> None:
        of, by = self._counter, ["operation_type"]
        self.operations = of("runtime_operations", "Cumulative number of runtime operations by operation type.", by)
        self.operation_errors = of("runtime_operations_errors", "Cumulative number of runtime operation errors.", by)
        self.operation_seconds = self._histogram(
            "runtime_operations_duration_seconds", "Duration in seconds of runtime operations.", OPERATION, labels=by
        )
        self.sandbox_seconds = self._histogram(
            "run_podsandbox_duration_seconds",
            "Duration in seconds of the run_podsandbox operations, by RuntimeClass.Handler.",
            labels=["runtime_handler"],
        )
        self.sandbox_errors = of(
            "run_podsandbox_errors",
            "Cumulative number of the run_podsandbox operation errors by RuntimeClass.Handler.",
            ["runtime_handler"],
        )
        self._relist_seconds = self._histogram("pleg_relist_duration_seconds", "Duration in seconds for relisting.")
        self._relist_interval = self._histogram("pleg_relist_interval_seconds", "Seconds between relisting.")
        self._relist_last = Gauge(
            "kubelet_pleg_last_seen_seconds",
            "When pods were last relisted, in seconds.",
            registry=self.registry,
        )

    def _of_pods(self) -> None:
        self.starts = self._histogram(
            "pod_start_duration_seconds",
            "Duration in seconds from kubelet seeing a pod for the first time to the pod starting to run",
            SLOW,
        )
        self.starts_since_creation = self._histogram(
            "pod_start_total_duration_seconds",
            "Duration in seconds to start a pod since its creation, pulling images and init containers included",
            SLOW,
        )
        self.starts_by_indicator = self._histogram(
            "pod_start_sli_duration_seconds",
            "Duration in seconds to start a pod since its creation, without pulling images and init containers",
            SLOW,
        )
        self.rounds = self._histogram(
            "pod_worker_duration_seconds",
            "Duration in seconds to sync a single pod, by operation type: create, sync or kill",
            labels=["operation_type"],
        )
        self.containers = self._histogram(
            "containers_per_pod_count", "The number of containers per pod.", (1, 2, 4, 8, 16)
        )
        of = self._counter
        self.started_pods = of("started_pods", "Cumulative number of pods started")
        self.started_pods_errors = of("started_pods_errors", "Cumulative number of errors when starting pods")
        self.started_containers = of(
            "started_containers", "Cumulative number of containers started", ["container_type"]
        )
        self.started_containers_errors = of(
            "started_containers_errors",
            "Cumulative number of errors when starting containers",
            ["container_type", "code"],
        )

    def _of_the_node(self) -> None:
        self.cgroups = self._histogram(
            "cgroup_manager_duration_seconds",
            "Duration in seconds for cgroup manager operations. Broken down by method.",
            labels=["operation_type"],
        )
        self.preemptions = self._plain(
            "preemptions", "Cumulative number of pod preemptions by preemption resource", "preemption_signal"
        )
        self.evictions = self._plain(
            "evictions", "Cumulative number of pod evictions by eviction signal", "eviction_signal"
        )
        self.provider_errors = self._plain(
            "credential_provider_plugin_errors", "Number of errors from credential provider plugin", "plugin_name"
        )
        self.collected_images = self._counter(
            "image_garbage_collected",
            "Total number of images garbage collected by the kubelet, whether through disk usage or image age.",
            ["reason"],
        )
        self.provider_seconds = self._histogram(
            "credential_provider_plugin_duration",
            "Duration of execution in seconds for credential provider plugin",
            labels=["plugin_name"],
        )
        self.requests = self._counter(
            "http_requests",
            "Number of the http requests received since the server started",
            ["method", "path", "server_type", "long_running"],
        )

    def _of_the_api(self) -> None:
        self.status_syncs = self._histogram(
            "pod_status_sync_duration_seconds",
            "Duration in seconds from a change of a pod's status until the API has it.",
            SYNC,
        )
        self.client_requests = Counter(
            "rest_client_requests",
            "Number of HTTP requests, partitioned by status code, method, and host.",
            ["code", "host", "method"],
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "rest_client_request_duration_seconds",
            "Request latency in seconds. Broken down by verb, and host.",
            ["host", "verb"],
            buckets=REQUEST,
            registry=self.registry,
        )

    def _of_volumes(self) -> None:
        self.storage_operations = Histogram(
            "storage_operation_duration_seconds",
            "Storage operation duration",
            ["migrated", "operation_name", "status", "volume_plugin"],
            buckets=STORAGE,
            registry=self.registry,
        )

    def stored(self, operation: str, plugin: str, seconds: float, *, ok: bool) -> None:
        """Something was done to a volume."""
        status = "success" if ok else "fail-unknown"
        self.storage_operations.labels("false", operation, status, plugin).observe(seconds)

    def healthy(self, checks: Iterable[str]) -> None:
        """These were asked for, and well."""
        self._checks.update(checks)

    def indicators(self) -> list[Family]:
        """/metrics/slis: each health check that was ever asked for, and how often (KEP-3466)."""
        now = [Sample({"name": name, "type": "healthz"}, 1) for name in self._checks]
        counts = [Sample({"name": n, "status": "success", "type": "healthz"}, c) for n, c in self._checks.items()]
        return [
            Family("kubernetes_healthcheck", "gauge", "This metric records the result of a single healthcheck.", now),
            Family("kubernetes_healthchecks_total", "counter", "The results of all healthcheck.", counts),
        ]

    def families(self) -> list[Family]:
        """What the registry does not hold."""
        return [counter.family() for counter in (self.preemptions, self.evictions, self.provider_errors)]

    def _plain(self, name: str, about: str, label: str) -> PlainCounter:
        """Nothing is added to its name."""
        return PlainCounter(f"kubelet_{name}", about, label)

    def _counter(self, name: str, about: str, labels: Sequence[str] = ()) -> Counter:
        """`_total` is added to its name."""
        return Counter(f"kubelet_{name}", about, labels, registry=self.registry)

    def _histogram(
        self, name: str, about: str, buckets: Sequence[float] = FAST, *, labels: Sequence[str] = ()
    ) -> Histogram:
        return Histogram(f"kubelet_{name}", about, labels, buckets=buckets, registry=self.registry)

    def gauge(self, name: str, about: str, label: str, reads: Mapping[str, Callable[[], float]]) -> None:
        """Values read at each scrape, by the label's value; without a label, the one under ""."""
        gauge = Gauge(name, about, [label] if label else [], registry=self.registry)
        for value, read in reads.items():
            (gauge.labels(value) if label else gauge).set_function(read)

    @contextmanager
    def timed(self, histogram: Histogram) -> Iterator[None]:
        """What is done within is observed, whether it succeeds or not."""
        began = self._monotonic()
        try:
            yield
        finally:
            histogram.observe(self._monotonic() - began)

    def relisted(self, began: float, now: float) -> None:
        """The runtime's pods were listed anew; `began` of the monotonic clock, `now` in seconds since the epoch."""
        self._relist_seconds.observe(self._monotonic() - began)
        if self._relisted is not None:
            self._relist_interval.observe(began - self._relisted)
        self._relisted = began
        self._relist_last.set(now)
