"""The files of an image, without a container: containerd's snapshots, as far as image volumes need them.

CRI can mount images only from containerd 2.1 on; containerd's own API could always show what an image's layers hold
("view"). A view is labelled as a root for containerd's garbage collection, so its layers stay as long as it does, and
with the pod it is for. (containerd docs: garbage-collection.md, api/services/snapshots/v1.)
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import grpc
import grpc.aio

from sampan.cri import runtime_pb2_grpc
from sampan.cri.client import OPTIONS, call
from sampan.cri.errors import RuntimeFailure, RuntimeNotFound
from sampan.cri.messages import pb

NAMESPACE = (("containerd-namespace", "k8s.io"),)
SNAPSHOTTER = "overlayfs"
PREFIX = "sampan-view/"
SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class View:
    """How to mount it: mount(2)'s words."""

    filesystem: str
    source: str
    options: tuple[str, ...]


class Snapshots:
    """Talks to the containerd at `endpoint`, a path or a `unix://` URL; another runtime raises RuntimeUnsupported."""

    def __init__(self, endpoint: str) -> None:
        address = endpoint if endpoint.startswith("unix:") else f"unix://{endpoint}"
        self._channel = grpc.aio.insecure_channel(address, [*OPTIONS, ("grpc.default_authority", "localhost")])
        self._images: Any = runtime_pb2_grpc.ImageServiceStub(self._channel)

    async def view(self, image: str, uid: str, name: str) -> Sequence[View]:
        """Makes the view of an image (by its id) for one volume of a pod, or finds it; raises RuntimeFailure."""
        key = f"{PREFIX}{uid}/{name}"
        request = self._pb.ViewSnapshotRequest(
            snapshotter=SNAPSHOTTER, key=key, parent=await self._top_layer(image), labels={"containerd.io/gc.root": uid}
        )
        try:
            answer = await self._call(self._service.View, request)
        except RuntimeFailure as error:
            if error.code != "ALREADY_EXISTS":
                raise
            answer = await self._call(self._service.Mounts, self._pb.MountsRequest(snapshotter=SNAPSHOTTER, key=key))
        return [View(mount.type, mount.source, tuple(mount.options)) for mount in answer.mounts]

    async def release(self, uid: str) -> None:
        """Removes the views of a pod; raises RuntimeFailure."""
        for key in await self._keys(f"{PREFIX}{uid}/"):
            await self._remove(key)

    async def close(self) -> None:
        await self._channel.close()

    @cached_property
    def _pb(self) -> Any:
        # Only nodes that show images as volumes load the messages.
        from sampan.cri import containerd_snapshots_pb2

        return containerd_snapshots_pb2

    @cached_property
    def _service(self) -> Any:
        from sampan.cri import containerd_snapshots_pb2_grpc

        return containerd_snapshots_pb2_grpc.SnapshotsStub(self._channel)

    async def _top_layer(self, image: str) -> str:
        """The snapshot that holds all of the image's files: containerd names it by the chain of its layers."""
        request = pb.ImageStatusRequest(image=pb.ImageSpec(image=image), verbose=True)
        answer = await call(self._images.ImageStatus(request, timeout=SECONDS))
        chain = json.loads(answer.info.get("info", "{}")).get("chainID", "")
        if not chain:
            raise RuntimeFailure(f"the runtime does not say what layers {image} has")
        return str(chain)

    async def _keys(self, prefix: str) -> list[str]:
        request = self._pb.ListSnapshotsRequest(snapshotter=SNAPSHOTTER, filters=[f'name~="^{prefix}"'])
        stream = self._service.List(request, metadata=NAMESPACE, timeout=SECONDS)

        async def collect() -> list[str]:
            return [info.name async for answer in stream for info in answer.info]

        return await call(collect())

    async def _remove(self, key: str) -> None:
        try:
            request = self._pb.RemoveSnapshotRequest(snapshotter=SNAPSHOTTER, key=key)
            await self._call(self._service.Remove, request)
        except RuntimeNotFound:
            return

    @staticmethod
    async def _call(method: Any, request: Any) -> Any:
        return await call(method(request, metadata=NAMESPACE, timeout=SECONDS))
