"""What /metrics tells of volumes: how many there are, and how full those behind claims are. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from sampan.kubelet.metrics.exposition import Family, Sample
from sampan.kubelet.stats.claims import claims
from sampan.kubelet.stats.usage import DiskSpace

PLUGINS = {
    "emptyDir": "empty-dir",
    "hostPath": "host-path",
    "configMap": "configmap",
    "secret": "secret",
    "projected": "projected",
    "downwardAPI": "downward-api",
    "nfs": "nfs",
    "image": "image",
    "persistentVolumeClaim": "persistent-claim",
    "ephemeral": "persistent-claim",
}
"""What upstream calls the plugin of a source; that of a claim is known once its volume is there."""
FIGURES = (
    ("capacity_bytes", "Capacity in bytes of the volume", "capacity"),
    ("available_bytes", "Number of available bytes in the volume", "available"),
    ("used_bytes", "Number of used bytes in the volume", "used"),
    ("inodes", "Maximum number of inodes in the volume", "inodes"),
    ("inodes_free", "Number of free inodes in the volume", "inodes_free"),
    ("inodes_used", "Number of used inodes in the volume", "inodes_used"),
)


def numbers(workers: Iterable[Any]) -> Family:
    """`workers` have their `pod` and `volumes`, those that are there."""
    counted: Counter[tuple[str, str]] = Counter()
    for worker in workers:
        for volume in worker.pod.spec.volumes or ():
            name = plugin(volume, worker.volumes.get(volume.name))
            counted[name, "desired_state_of_world"] += 1
            counted[name, "actual_state_of_world"] += volume.name in worker.volumes
    samples = [Sample({"plugin_name": name, "state": state}, count) for (name, state), count in sorted(counted.items())]
    return Family("volume_manager_total_volumes", "gauge", "Number of volumes in Volume Manager", samples)


def plugin(volume: Any, made: Any) -> str:
    folder = made.path.parent.name if made is not None else ""
    if folder.startswith("kubernetes.io~"):
        return folder.replace("~", "/")
    source = next((source for source in PLUGINS if getattr(volume, source, None) is not None), "")
    return f"kubernetes.io/{PLUGINS.get(source, 'unknown')}"


def claimed(found: Iterable[tuple[Any, Mapping[str, DiskSpace]]]) -> list[Family]:
    """From pods and the use of their volumes, by name; of a claim that several pods share there is one series."""
    spaces = {
        (pod.metadata.namespace, claims(pod)[name]): space for pod, volumes in found for name, space in volumes.items()
    }
    return [
        Family(
            f"kubelet_volume_stats_{name}",
            "gauge",
            about,
            [
                Sample({"namespace": namespace, "persistentvolumeclaim": claim}, getattr(space, attribute))
                for (namespace, claim), space in spaces.items()
            ],
        )
        for name, about, attribute in FIGURES
    ]
