"""Bandwidth annotations that can be meant. Pure.

The runtime reads them when it makes a sandbox and again when it takes it away: one that it cannot read would leave a
pod that nobody can delete. Source: upstream's pkg/util/bandwidth (`ExtractPodBandwidthResources`).
"""

from __future__ import annotations

from typing import Any

from sampan.api.quantity import parse
from sampan.kubelet.environment import ConfigError

ANNOTATIONS = ("kubernetes.io/ingress-bandwidth", "kubernetes.io/egress-bandwidth")
LEAST, MOST = parse("1k"), parse("1P")


def check(pod: Any) -> None:
    """Raises ConfigError that names the annotation and what to write."""
    for name in ANNOTATIONS:
        text = (pod.metadata.annotations or {}).get(name)
        if text is None:
            continue
        try:
            fits = LEAST <= parse(text) <= MOST
        except ValueError:
            fits = False
        if not fits:
            raise ConfigError(f"annotation {name}: {text[:100]!r} is no bandwidth: write bits a second, from 1k to 1P")
