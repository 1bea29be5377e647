"""The shape that every kind of volume has, and what it is given to work with.

The kubelet calls `set_up` before the pod's sandbox is made, again after each failure, and after a kubelet restart: it
must be idempotent and cheap when all is there already. `refresh` brings a volume's content up to date while the pod
runs. Taking a volume away needs no word of its kind: what lies or is mounted under the pod's folder is unmounted and
deleted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from sampan.volumes.mounter import Mounter


class Objects(Protocol):
    """Where volumes get the API objects they show; raises VolumeError when the API cannot be asked."""

    async def config_map(self, namespace: str, name: str) -> Any | None: ...

    async def secret(self, namespace: str, name: str) -> Any | None: ...

    async def claim(self, namespace: str, name: str) -> Any | None: ...

    async def persistent_volume(self, name: str) -> Any | None: ...

    async def trust_bundles(self, *, name: str | None, signer: str | None, labels: Any | None) -> list[str]:
        """The PEM texts of the ClusterTrustBundle of that name, or of a signer's that a LabelSelector selects."""
        ...

    async def token(self, pod: Any, audience: str, seconds: int) -> str:
        """A token of the pod's service account for that audience, which has at least a fifth of `seconds` to live."""
        ...

    def forget(self, uid: str) -> None:
        """The pod with that uid is gone: drop what was kept for it."""
        ...


class ImageMounts(Protocol):
    """Where image volumes get their files."""

    async def mount(self, volume: Any, pod: PodVolumes, target: Path) -> None:
        """Shows the image's files, read-only, at `target`; raises VolumeError."""
        ...


@dataclass(frozen=True, slots=True)
class Made:
    """A volume that is there: where, and whether no container may write to it whatever its mount says.

    A `device` is shown by `volumeDevices`, everything else by `volumeMounts`.
    """

    path: Path
    read_only: bool = False
    device: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PodVolumes:
    """One pod's volumes: its spec, its folder on this node (`<kubelet>/pods/<uid>`), and what it is known by.

    `pod_ips` may still be empty: volumes are made before the sandbox. `allocatable` maps resources to what the node
    has of them, where no limit is set. `images` is None where this runtime offers none.
    """

    pod: Any
    directory: Path
    objects: Objects
    mounter: Mounter
    images: ImageMounts | None = None
    host_ips: Sequence[str] = ()
    pod_ips: Sequence[str] = ()
    allocatable: Mapping[str, str] | None = None
    node_labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def namespace(self) -> str:
        return self.pod.metadata.namespace or "default"

    @property
    def group(self) -> int | None:
        """The group that owns the pod's volumes (`securityContext.fsGroup`)."""
        context = self.pod.spec.securityContext
        return context.fsGroup if context else None

    async def give_to_group(self, path: Path) -> None:
        """Lets the pod's group have a volume, as `securityContext` asks."""
        if self.group is not None:
            policy = self.pod.spec.securityContext.fsGroupChangePolicy
            await self.mounter.own(path, self.group, policy=policy)

    def path(self, plugin: str, name: str) -> Path:
        """Where the volume lies: the same place as upstream's, which tools know."""
        return self.directory / "volumes" / plugin / name

    def marker(self, plugin: str, name: str) -> Path:
        """The file that says that the volume has been made."""
        return self.directory / "plugins" / plugin / name / "ready"


class VolumeKind(Protocol):
    """`source` is the field of core/v1 Volume that asks for it; `changes` says whether `refresh` does anything."""

    source: ClassVar[str]
    changes: ClassVar[bool]

    async def set_up(self, volume: Any, pod: PodVolumes) -> Made:
        """Makes the volume; raises VolumeError."""
        ...

    async def refresh(self, volume: Any, pod: PodVolumes) -> None:
        """Brings the content up to date; raises VolumeError."""
        ...
