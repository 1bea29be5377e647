"""From a manifest to static pods: pure ("Static Pods").

A static pod is called `<name>-<node>`, and its uid follows from what it says and where it says so: a changed file is
another pod. It may not lean on other objects of the API, for it must run without one.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from sampan.aio.clock import timestamp
from sampan.api.decoding import convert
from sampan.api.kinds import core_v1
from sampan.codec import yaml
from sampan.codec.errors import CodecError
from sampan.kubelet.static.marks import HASH, SEEN, SOURCE

MOST_BYTES = 10 << 20
"""As upstream's."""
MOST_PODS = 1000
FROM_API = ("configMap", "secret", "persistentVolumeClaim", "projected", "ephemeral")


class BadManifest(ValueError):
    """It is no pod that this node can run; the message says why."""


def pods_of(data: bytes, *, source: str, place: str, node: str, now: float) -> list[Any]:
    """The pods of a manifest: one Pod or a list of them. `source` is "file" or "http", `place` the path or URL.

    Raises BadManifest.
    """
    if len(data) > MOST_BYTES:
        raise BadManifest(f"it is larger than {MOST_BYTES} bytes")
    try:
        document = yaml.decode(data)
    except CodecError as error:
        raise BadManifest(f"it is no YAML: {error}") from None
    items = listed(document)
    if len(items) > MOST_PODS:
        raise BadManifest(f"it has more than {MOST_PODS} pods")
    return [completed(item, source=source, place=place, node=node, now=now) for item in items]


def listed(document: Any) -> list[Any]:
    if isinstance(document, dict) and document.get("apiVersion") == "v1":
        if document.get("kind") == "Pod":
            return [document]
        if document.get("kind") in ("PodList", "List") and isinstance(document.get("items"), list):
            return list(document["items"])
    raise BadManifest("it is neither a v1 Pod nor a v1 PodList")


def completed(item: Any, *, source: str, place: str, node: str, now: float) -> Any:
    """One pod, with its defaults and marks. Raises BadManifest."""
    # Only nodes that have static pods load the API's rules.
    from sampan.api import defaults, registry, validation

    kind = registry.builtin().of(core_v1.Pod)
    try:
        pod, unknown = convert(core_v1.Pod, item)
    except msgspec.ValidationError as error:
        raise BadManifest(str(error)) from None
    if unknown:
        raise BadManifest(f"unknown field {', '.join(unknown)}")
    identity = hashlib.sha256(b"\0".join([node.encode(), place.encode(), msgspec.json.encode(pod)])).hexdigest()[:32]
    mark(pod, identity, source=source, node=node, now=now)
    try:
        defaults.apply(kind, pod)
    except ValueError as error:
        raise BadManifest(str(error)) from None
    wrong = [str(error) for error in validation.create(kind, pod)] or leaning(pod)
    if wrong:
        raise BadManifest("; ".join(wrong))
    return pod


def mark(pod: Any, identity: str, *, source: str, node: str, now: float) -> None:
    """Makes it this node's."""
    meta = pod.metadata
    meta.name, meta.namespace = f"{meta.name or ''}-{node}", meta.namespace or "default"
    meta.generateName, meta.uid, meta.creationTimestamp = None, identity, timestamp(now)
    marks = {SOURCE: source, HASH: identity, SEEN: timestamp(now)}
    meta.annotations = {**(meta.annotations or {}), **marks}
    if pod.spec is not None:
        pod.spec.nodeName = node
        everything = core_v1.Toleration(operator="Exists", effect="NoExecute")
        pod.spec.tolerations = [*(pod.spec.tolerations or ()), everything]
    pod.status = core_v1.PodStatus(phase="Pending")


def leaning(pod: Any) -> list[str]:
    """What of the pod needs the API."""
    found = [
        f"spec.volumes[{volume.name}]: a static pod may not use {source}"
        for volume in pod.spec.volumes or ()
        for source in FROM_API
        if getattr(volume, source, None) is not None
    ]
    containers = [*(pod.spec.initContainers or ()), *pod.spec.containers]
    if any(from_api(container) for container in containers):
        found.append("spec.containers: a static pod may not take its environment from config maps or secrets")
    if pod.spec.serviceAccountName:
        found.append("spec.serviceAccountName: a static pod has none")
    return found


def from_api(container: Any) -> bool:
    references = [variable.valueFrom for variable in container.env or () if variable.valueFrom is not None]
    return bool(container.envFrom) or any(r.configMapKeyRef or r.secretKeyRef for r in references)
