"""Images as volumes: pulled like a container's image, then mounted from the runtime's layers (KEP-4639)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from os.path import commonpath
from pathlib import Path
from typing import Any, Protocol

from sampan.cri.errors import RuntimeFailure, RuntimeUnsupported
from sampan.cri.snapshots import View
from sampan.kubelet.imagenames import with_tag
from sampan.kubelet.images import ImageError, Images
from sampan.volumes.errors import UnsupportedVolume, VolumeError
from sampan.volumes.image import PLUGIN
from sampan.volumes.interface import PodVolumes

LOWER = "lowerdir="


class Views(Protocol):
    """`sampan.cri.snapshots.Snapshots`, or a fake of it."""

    async def view(self, image: str, uid: str, name: str) -> Sequence[View]: ...

    async def release(self, uid: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """A volume's image in the words of a container's."""

    image: str
    imagePullPolicy: str | None


class ImageVolumes:
    """`event` is called with pod, type, reason and message."""

    def __init__(self, images: Images, views: Views, event: Callable[[Any, str, str, str], None]) -> None:
        self._images = images
        self._views = views
        self._event = event

    async def mount(self, volume: Any, pod: PodVolumes, target: Path) -> None:
        """Shows the image's files, read-only, at `target`; raises VolumeError."""
        asked = volume.image
        wanted = Wanted(asked.reference or "", asked.pullPolicy)

        def tell(type_: str, reason: str, message: str) -> None:
            self._event(pod.pod, type_, reason, message)

        try:
            ready = await self._images.present(pod.pod, wanted, tell)
            ready = ready or await self._images.pull(pod.pod, wanted, tell)
            views = await self._views.view(ready.details.id, pod.pod.metadata.uid, volume.name)
        except ImageError as error:
            raise VolumeError(f"{error.reason}: {error.message}") from None
        except RuntimeUnsupported:
            raise UnsupportedVolume("image volumes need containerd, and this node has another runtime") from None
        except RuntimeFailure as error:
            raise VolumeError(f"the files of {wanted.image} cannot be shown: {error}") from None
        for view in views:
            filesystem, options, folder = mountable(view)
            await pod.mounter.mount(filesystem, view.source, target, options, folder=folder)

    async def release(self, uid: str, folder: Path) -> None:
        """Lets go of the images that the pod with that folder has shown, if any; raises RuntimeFailure."""
        if (folder / "volumes" / PLUGIN).is_dir():
            with contextlib.suppress(RuntimeUnsupported):
                await self._views.release(uid)


def shown_images(pods: Iterable[Any]) -> set[str]:
    """The images that pods show as volumes, by the names they give them."""
    volumes = [volume for pod in pods for volume in pod.spec.volumes or ()]
    return {with_tag(volume.image.reference) for volume in volumes if volume.image and volume.image.reference}


def mountable(view: View) -> tuple[str, list[str], Path]:
    """File system, options and folder to mount it from.

    The kernel takes options of one page at most, so the folders of many layers are named from the one they share.
    """
    if view.filesystem == "bind":
        return "none", [*dict.fromkeys([*view.options, "ro"])], Path("/")
    options = [option for option in view.options if not option.startswith(LOWER)]
    layers = [
        layer for option in view.options if option.startswith(LOWER) for layer in option.removeprefix(LOWER).split(":")
    ]
    if len(layers) < 2:
        return view.filesystem, [*dict.fromkeys([*view.options, "ro"])], Path("/")
    folder = commonpath(layers)
    near = ":".join(layer.removeprefix(f"{folder}/") for layer in layers)
    return view.filesystem, [*dict.fromkeys([*options, "ro"]), LOWER + near], Path(folder)
