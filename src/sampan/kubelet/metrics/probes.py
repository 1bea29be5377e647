"""/metrics/probes: how the probes of each container have gone. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sampan.kubelet.metrics.exposition import Family, Sample


def families(workers: Iterable[Any]) -> list[Family]:
    """From the workers of the node's pods (`pod`, `probed`)."""
    samples = [
        Sample(
            {
                "container": container,
                "namespace": worker.pod.metadata.namespace,
                "pod": worker.pod.metadata.name,
                "pod_uid": worker.uid,
                "probe_type": which.capitalize(),
                "result": result,
            },
            count,
        )
        for worker in workers
        for (container, which, result), count in sorted(worker.probed.items())
    ]
    about = "Cumulative number of a liveness, readiness or startup probe for a container by result."
    return [Family("prober_probe_total", "counter", about, samples)]
