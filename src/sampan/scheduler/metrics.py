"""What the scheduler counts and times, under upstream's names (kube-scheduler metrics reference)."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

ATTEMPT_BUCKETS = (0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 1.0)
SLI_BUCKETS = tuple(0.01 * 2**power for power in range(20))
PROFILE = "default-scheduler"


class Metrics:
    """One scheduler's metrics in a registry of their own. Results are "scheduled", "unschedulable" and "error"."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._attempts = Counter(
            "scheduler_schedule_attempts_total", "Attempts to schedule pods.", ("result", "profile"), registry=registry
        )
        self._attempt_seconds = Histogram(
            "scheduler_scheduling_attempt_duration_seconds",
            "Time to decide on a pod.",
            ("result", "profile"),
            buckets=ATTEMPT_BUCKETS,
            registry=registry,
        )
        self._sli_seconds = Histogram(
            "scheduler_pod_scheduling_sli_duration_seconds",
            "Time from a pod's first entry into the queue until it is bound.",
            buckets=SLI_BUCKETS,
            registry=registry,
        )
        self._preemptions = Counter(
            "scheduler_preemption_attempts_total", "Preemptions carried out.", registry=registry
        )
        self._victims = Histogram("scheduler_preemption_victims", "Victims of a preemption.", registry=registry)
        self._pending = Gauge("scheduler_pending_pods", "Pods waiting.", ("queue",), registry=registry)
        self._cache = Gauge("scheduler_cache_size", "Nodes and pods known.", ("type",), registry=registry)
        self._by_result = {
            result: (self._attempts.labels(result, PROFILE), self._attempt_seconds.labels(result, PROFILE))
            for result in ("scheduled", "unschedulable", "error")
        }
        self.counts = dict.fromkeys(("scheduled", "unschedulable", "error", "bound", "preemptions"), 0)

    def attempt(self, result: str, seconds: float) -> None:
        count, duration = self._by_result[result]
        count.inc()
        duration.observe(seconds)
        self.counts[result] += 1

    def error(self) -> None:
        """A binding failed after the decision was counted."""
        self._by_result["error"][0].inc()
        self.counts["error"] += 1

    def bound(self, seconds: float) -> None:
        self._sli_seconds.observe(seconds)
        self.counts["bound"] += 1

    def preempted(self, victims: int) -> None:
        self._preemptions.inc()
        self._victims.observe(victims)
        self.counts["preemptions"] += 1

    def sizes(self, pending: dict[str, int], **cached: int) -> None:
        """Sets the gauges; called when they are read."""
        for queue, count in pending.items():
            self._pending.labels(queue).set(count)
        for kind, count in cached.items():
            self._cache.labels(kind).set(count)

    def statistics(self) -> dict[str, Any]:
        return dict(self.counts)
