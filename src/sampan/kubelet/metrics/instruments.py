"""/metrics: what the kubelet counts of its own work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

FAST = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SLOW = (0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 20.0, 30.0, 45.0, 60.0, 120.0, 180.0, 240.0, 300.0)


class Instruments:
    """One kubelet's; `registry` holds them all."""

    def __init__(self, node_name: str, version: str) -> None:
        self.registry = made = CollectorRegistry()
        ProcessCollector(registry=made)
        build = ("git_version", "major", "minor", "platform")
        Gauge("kubernetes_build_info", "Build version.", build, registry=made).labels(version, "1", "36", "linux").set(
            1
        )
        name = Gauge("kubelet_node_name", "The node's name. The count is always 1.", ["node"], registry=made)
        name.labels(node_name).set(1)
        self.operations = Counter(
            "kubelet_runtime_operations", "Number of runtime operations by type.", ["operation_type"], registry=made
        )
        self.operation_errors = Counter(
            "kubelet_runtime_operations_errors",
            "Number of runtime operation errors by type.",
            ["operation_type"],
            registry=made,
        )
        self.operation_seconds = Histogram(
            "kubelet_runtime_operations_duration_seconds",
            "Duration in seconds of runtime operations by type.",
            ["operation_type"],
            buckets=FAST,
            registry=made,
        )
        self.starts = Histogram(
            "kubelet_pod_start_duration_seconds",
            "Duration in seconds from kubelet seeing a pod for the first time to the pod starting to run",
            buckets=SLOW,
            registry=made,
        )
        self.rounds = Histogram(
            "kubelet_pod_worker_duration_seconds",
            "Duration in seconds to sync a single pod.",
            buckets=FAST,
            registry=made,
        )
        self.evictions = Counter(
            "kubelet_evictions",
            "Cumulative number of pod evictions by eviction signal",
            ["eviction_signal"],
            registry=made,
        )
        self.provider_errors = Counter(
            "kubelet_credential_provider_plugin_errors",
            "Number of errors from credential provider plugin",
            ["plugin_name"],
            registry=made,
        )
        self.provider_seconds = Histogram(
            "kubelet_credential_provider_plugin_duration",
            "Duration of execution in seconds for credential provider plugin",
            ["plugin_name"],
            registry=made,
        )
        self.requests = Counter(
            "kubelet_http_requests",
            "Number of the http requests received since the server started",
            ["method", "path", "server_type", "long_running"],
            registry=made,
        )

    def gauge(self, name: str, about: str, label: str, reads: Mapping[str, Callable[[], float]]) -> None:
        """Values read at each scrape, by the label's value; without a label, the one under ""."""
        gauge = Gauge(name, about, [label] if label else [], registry=self.registry)
        for value, read in reads.items():
            (gauge.labels(value) if label else gauge).set_function(read)


class CountedRuntime:
    """A runtime whose calls are counted and timed; `clock.monotonic` is the time."""

    def __init__(self, runtime: Any, instruments: Instruments, monotonic: Callable[[], float]) -> None:
        self._runtime = runtime
        self._instruments = instruments
        self._monotonic = monotonic

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._runtime, name)
        # A stream of events has no end to be timed.
        counted = method if name in ("events", "close") else self._counted(name, method)
        setattr(self, name, counted)
        return counted

    def _counted(self, name: str, method: Any) -> Any:
        operations = self._instruments.operations.labels(name)
        errors = self._instruments.operation_errors.labels(name)
        seconds = self._instruments.operation_seconds.labels(name)

        async def call(*arguments: Any, **named: Any) -> Any:
            operations.inc()
            began = self._monotonic()
            try:
                return await method(*arguments, **named)
            except Exception:
                errors.inc()
                raise
            finally:
                seconds.observe(self._monotonic() - began)

        return call
