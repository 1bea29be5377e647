"""Bandwidth annotations made to hold from a pod's first packet.

The `bandwidth` plugin makes a token bucket for each direction; containerd asks it for a burst of 4 Gbit
(`toCNIBandWidth`), so that a pod may send 260 MB before any limit shows. Here the buckets are given one of a tenth of
a second instead, before the pod's first container starts.
Source: "Network Plugins" in the Kubernetes documentation, "Support traffic shaping"; tc-tbf(8).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from typing import Any

from sampan.network.command import Missing, run

log = logging.getLogger(__name__)
ANNOTATIONS = ("kubernetes.io/ingress-bandwidth", "kubernetes.io/egress-bandwidth")
BURST_SECONDS = 0.1
LEAST_BURST = 65536
"""Bytes: as large as a packet may be between a pod and its node."""
LATENCY = "100ms"


async def tighten(pod: Any, addresses: Sequence[str]) -> None:
    """The pod is there with its addresses; without such an annotation nothing is done."""
    told = pod.metadata.annotations or {}
    if not addresses or not any(told.get(name) for name in ANNOTATIONS):
        return
    try:
        device = await _device(addresses[0])
        for name in (device, *_redirected(await _listed("filter", "show", "dev", device, "parent", "ffff:"))):
            for bucket in await _listed("qdisc", "show", "dev", name):
                await _tighten(name, bucket)
    except (Missing, OSError, ValueError) as error:
        log.warning("a pod's bandwidth has a large burst name=%s error=%s", pod.metadata.name, error)


async def _device(address: str) -> str:
    """The node's end of the pod's cable; raises OSError."""
    found = await _json("ip", "-j", "route", "get", address)
    if not found or not found[0].get("dev"):
        raise OSError(f"no way to {address}")
    return str(found[0]["dev"])


def _redirected(filters: Sequence[Any]) -> Iterator[str]:
    """Devices to which what the pod sends is led, to be held there."""
    for entry in filters:
        for action in entry.get("options", {}).get("actions", ()):
            if action.get("kind") == "mirred" and action.get("to_dev"):
                yield action["to_dev"]


async def _tighten(device: str, bucket: Any) -> None:
    if bucket.get("kind") != "tbf":
        return
    rate = int(bucket["options"]["rate"])
    words = ("rate", str(rate * 8), "burst", str(burst(rate)), "latency", LATENCY)
    done = await run(("tc", "qdisc", "change", "dev", device, "root", "handle", bucket["handle"], "tbf", *words))
    if done.code:
        raise OSError(done.complaint)


def burst(rate: int) -> int:
    """Bytes that may be sent at once, at so many bytes a second."""
    return max(LEAST_BURST, int(rate * BURST_SECONDS))


async def _listed(*words: str) -> list[Any]:
    return list(await _json("tc", "-j", *words))


async def _json(*words: str) -> Any:
    done = await run(words)
    if done.code:
        raise OSError(done.complaint)
    return json.loads(done.output or "[]")
