"""Which nodes refer to which objects, through the pods bound to them.

    node <- pod <- secret, configmap, service account, resource claim
    node <- pod <- persistent volume claim <- persistent volume <- secret
    node <- volume attachment, resource slice

Kept as edges in both directions, so that a change costs what the changed object refers to, and a question what leads
to the object asked for.
https://kubernetes.io/docs/reference/access-authn-authz/node/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from sampan.api.kinds import core_v1, resource_v1, storage_v1
from sampan.apiserver.following import Follower, Source
from sampan.store.cache import Entry

Vertex = tuple[str, str, str]
"""(plural, namespace, name)."""
NODE_NAME = b'"nodeName":'
MIRROR = "kubernetes.io/config.mirror"

_POD = msgspec.json.Decoder(core_v1.Pod)
_VOLUME = msgspec.json.Decoder(core_v1.PersistentVolume)
_ATTACHMENT = msgspec.json.Decoder(storage_v1.VolumeAttachment)
_SLICE = msgspec.json.Decoder(resource_v1.ResourceSlice)


class Graph:
    """`reaches(node, vertex)` is the whole question."""

    def __init__(self) -> None:
        self._targets: dict[Vertex, set[Vertex]] = {}
        self._sources: dict[Vertex, set[Vertex]] = {}
        self._followers: list[Follower] = []

    def follow(self, source: Source) -> None:
        """Fill from the watch cache and keep up with it."""
        for group, plural, put in (
            ("", "pods", self._put_pod),
            ("", "persistentvolumes", self._put_volume),
            ("storage.k8s.io", "volumeattachments", self._put_attachment),
            ("resource.k8s.io", "resourceslices", self._put_slice),
        ):
            self._followers.append(Follower(source, group, plural, put))

    def reaches(self, node: str, vertex: Vertex) -> bool:
        """Whether something on the node refers to the object, directly or through others."""
        goal = ("nodes", "", node)
        waiting, seen = [vertex], {vertex}
        while waiting:
            for source in self._sources.get(waiting.pop(), ()):
                if source == goal:
                    return True
                if source not in seen:
                    seen.add(source)
                    waiting.append(source)
        return False

    def refer(self, vertex: Vertex, targets: Iterable[Vertex]) -> None:
        """Say what an object refers to, in place of what it referred to before."""
        wanted, present = set(targets), self._targets.get(vertex, set())
        for target in present - wanted:
            sources = self._sources[target]
            sources.discard(vertex)
            if not sources:
                del self._sources[target]
        for target in wanted - present:
            self._sources.setdefault(target, set()).add(vertex)
        if wanted:
            self._targets[vertex] = wanted
        else:
            self._targets.pop(vertex, None)

    def _own(self, vertex: Vertex, plural: str, namespace: str = "", name: str | None = None) -> None:
        """Say which object of a kind refers to this one, in place of whichever did before (no name: none)."""
        owner = (plural, namespace, name) if name else None
        for source in [s for s in self._sources.get(vertex, ()) if s[0] == plural and s != owner]:
            self.refer(source, self._targets[source] - {vertex})
        if owner is not None:
            self.refer(owner, self._targets.get(owner, set()) | {vertex})

    def _put_pod(self, entry: Entry, gone: bool) -> None:
        vertex = ("pods", entry.namespace, entry.name)
        # Most pods come without a node, and then there is nothing to decode them for.
        pod = None if gone or NODE_NAME not in entry.data else _POD.decode(entry.data)
        node = pod.spec.nodeName if pod is not None and pod.spec is not None else None
        if pod is None or not node:
            if vertex in self._targets or vertex in self._sources:
                self.refer(vertex, ())
                self._own(vertex, "nodes")
            return
        self._own(vertex, "nodes", "", node)
        mirror = MIRROR in (pod.metadata.annotations or {})
        self.refer(vertex, () if mirror else references(pod))

    def _put_volume(self, entry: Entry, gone: bool) -> None:
        """The volume says whose it is: a claim may name any volume it likes."""
        volume = None if gone else _VOLUME.decode(entry.data)
        claim = volume.spec.claimRef if volume is not None and volume.spec is not None else None
        vertex = ("persistentvolumes", "", entry.name)
        self.refer(vertex, () if volume is None or claim is None else volume_secrets(volume, claim.namespace or ""))
        if claim is None:
            self._own(vertex, "persistentvolumeclaims")
        else:
            self._own(vertex, "persistentvolumeclaims", claim.namespace or "", claim.name)

    def _put_attachment(self, entry: Entry, gone: bool) -> None:
        attachment = None if gone else _ATTACHMENT.decode(entry.data)
        node = attachment.spec.nodeName if attachment is not None and attachment.spec is not None else ""
        self._own(("volumeattachments", "", entry.name), "nodes", "", node)

    def _put_slice(self, entry: Entry, gone: bool) -> None:
        piece = None if gone else _SLICE.decode(entry.data)
        node = piece.spec.nodeName if piece is not None and piece.spec is not None else ""
        self._own(("resourceslices", "", entry.name), "nodes", "", node)


def references(pod: Any) -> Iterator[Vertex]:
    """Everything a pod may need on its node."""
    namespace, spec = pod.metadata.namespace or "", pod.spec
    if spec.serviceAccountName:
        yield "serviceaccounts", namespace, spec.serviceAccountName
    for secret in spec.imagePullSecrets or ():
        yield "secrets", namespace, secret.name or ""
    for container in (*(spec.initContainers or ()), *(spec.containers or ()), *(spec.ephemeralContainers or ())):
        yield from _of_container(namespace, container)
    for volume in spec.volumes or ():
        yield from _of_volume(pod, namespace, volume)
    yield from _claims(pod, namespace)


def _claims(pod: Any, namespace: str) -> Iterator[Vertex]:
    """Resource claims: named, made from templates, and made for what it asks of extended resources (KEP-5004)."""
    status, spec = pod.status, pod.spec
    claims = (status.resourceClaimStatuses if status is not None else None) or ()
    made = {claim.name: claim.resourceClaimName for claim in claims}
    for claim in spec.resourceClaims or ():
        name = claim.resourceClaimName or made.get(claim.name)
        if name:
            yield "resourceclaims", namespace, name
    extended = status.extendedResourceClaimStatus if status is not None else None
    if extended is not None and extended.resourceClaimName:
        yield "resourceclaims", namespace, extended.resourceClaimName


def _of_container(namespace: str, container: Any) -> Iterator[Vertex]:
    for source in container.envFrom or ():
        if source.configMapRef is not None:
            yield "configmaps", namespace, source.configMapRef.name or ""
        if source.secretRef is not None:
            yield "secrets", namespace, source.secretRef.name or ""
    for variable in container.env or ():
        value = variable.valueFrom
        if value is None:
            continue
        if value.configMapKeyRef is not None:
            yield "configmaps", namespace, value.configMapKeyRef.name or ""
        if value.secretKeyRef is not None:
            yield "secrets", namespace, value.secretKeyRef.name or ""


SECRET_SOURCES = ("azureFile", "cephfs", "cinder", "flexVolume", "iscsi", "rbd", "scaleIO", "storageos")


def _of_volume(pod: Any, namespace: str, volume: Any) -> Iterator[Vertex]:
    if volume.configMap is not None:
        yield "configmaps", namespace, volume.configMap.name or ""
    if volume.secret is not None:
        yield "secrets", namespace, volume.secret.secretName or ""
    if volume.persistentVolumeClaim is not None:
        yield "persistentvolumeclaims", namespace, volume.persistentVolumeClaim.claimName or ""
    if volume.ephemeral is not None:
        yield "persistentvolumeclaims", namespace, f"{pod.metadata.name}-{volume.name}"
    if volume.csi is not None and volume.csi.nodePublishSecretRef is not None:
        yield "secrets", namespace, volume.csi.nodePublishSecretRef.name or ""
    for source in (volume.projected.sources if volume.projected is not None else None) or ():
        if source.configMap is not None:
            yield "configmaps", namespace, source.configMap.name or ""
        if source.secret is not None:
            yield "secrets", namespace, source.secret.name or ""
    for name in SECRET_SOURCES:
        yield from _secret_of(getattr(volume, name), namespace)


def _secret_of(source: Any, namespace: str) -> Iterator[Vertex]:
    """The secret that one of the older volume kinds names, in a field or by reference."""
    if source is None:
        return
    reference = getattr(source, "secretRef", None)
    if reference is not None:
        yield "secrets", getattr(reference, "namespace", None) or namespace, reference.name or ""
    name = getattr(source, "secretName", None)
    if name:
        yield "secrets", getattr(source, "secretNamespace", None) or namespace, name


CSI_SECRETS = ("nodePublishSecretRef", "nodeStageSecretRef", "nodeExpandSecretRef")


def volume_secrets(volume: Any, namespace: str) -> Iterator[Vertex]:
    """Secrets a node needs to use a persistent volume; `namespace` is its claim's."""
    csi = volume.spec.csi
    for name in CSI_SECRETS:
        reference = getattr(csi, name, None)
        if reference is not None:
            yield "secrets", reference.namespace or "", reference.name or ""
    for name in SECRET_SOURCES:
        yield from _secret_of(getattr(volume.spec, name, None), namespace)
