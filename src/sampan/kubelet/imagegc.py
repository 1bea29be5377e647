"""Image garbage collection: when the disk is fuller than it should be, images nobody uses go, the longest unused first.

(Kubelet configuration: imageGCHighThresholdPercent, imageGCLowThresholdPercent, imageMinimumGCAge, imageMaximumGCAge.)
When an image was last used is known since this kubelet runs; an image it has just seen for the first time counts as
used now. One that nobody has used for the maximum age goes however much room there is.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sampan.aio.clock import Clock
from sampan.cri.errors import RuntimeFailure
from sampan.cri.interface import Runtime
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.stats.usage import DiskSpace

log = logging.getLogger(__name__)
AGE, SPACE = "age", "space"
"""Why an image goes, as upstream's metrics call it."""
SHORT = (
    "Failed to garbage collect required amount of images. Attempted to free {} bytes, but only found {} bytes "
    "eligible to free."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """`size` in bytes, `used` in seconds since the epoch."""

    id: str
    size: int
    used: float


def to_remove(
    candidates: Iterable[Candidate], excess: int, now: float, *, youngest: float, oldest: float
) -> list[Candidate]:
    """Which to remove: the longest unused to free `excess` bytes, and all unused for `oldest` seconds (0: none).

    What was used less than `youngest` seconds ago stays.
    """
    chosen, freed = [], 0
    for candidate in sorted(candidates, key=lambda c: c.used):
        unused = now - candidate.used
        if unused < youngest or (freed >= excess and not is_old(candidate, now, oldest)):
            break
        chosen.append(candidate)
        freed += candidate.size
    return chosen


def is_old(candidate: Candidate, now: float, oldest: float) -> bool:
    """Whether it has been unused for more than `oldest` seconds; 0 is no bound."""
    return 0 < oldest < now - candidate.used


def excess_bytes(space: DiskSpace, config: KubeletConfig) -> int:
    """How many bytes to free to come down to the low threshold; 0 while below the high one."""
    used = space.capacity - space.available
    if used * 100 < space.capacity * config.image_gc_high_percent:
        return 0
    return max(int(used - space.capacity * config.image_gc_low_percent / 100), 0)


class ImageCollector:
    """`measure()` looks at the file system with the images, `shown()` gives names of images that are mounted as
    volumes; `event` makes an event on the node, `count` is told why an image has gone."""

    def __init__(
        self,
        runtime: Runtime,
        clock: Clock,
        config: KubeletConfig,
        measure: Callable[[], Awaitable[DiskSpace]],
        *,
        shown: Callable[[], set[str]],
        event: Callable[[str, str, str], None],
        count: Callable[[str], None] = lambda reason: None,
    ) -> None:
        self._runtime = runtime
        self._clock = clock
        self._config = config
        self._measure = measure
        self._shown = shown
        self._event = event
        self._count = count
        self._used: dict[str, float] = {}

    async def collect(self) -> int:
        """Looks once, removing what it must; returns the bytes given back. Raises RuntimeFailure."""
        spare, space, config = await self._spare(), await self._measure(), self._config
        excess, now = excess_bytes(space, config), self._clock.now()
        chosen = to_remove(spare, excess, now, youngest=config.image_gc_youngest, oldest=config.image_gc_oldest)
        freed = await self._remove(chosen, now)
        if chosen:
            log.info("images collected wanted=%d freed=%d", excess, freed)
        if freed < excess:
            self._event("Warning", "FreeDiskSpaceFailed", SHORT.format(excess, freed))
        return freed

    async def collect_all(self) -> int:
        """Removes every image that nobody uses, whatever its age: the disk is short. Returns the bytes given back."""
        try:
            return await self._remove(await self._spare(), self._clock.now())
        except RuntimeFailure as error:
            log.warning("unused images could not be collected error=%s", error)
            return 0

    async def _spare(self) -> list[Candidate]:
        """The images that no container uses."""
        images = await self._runtime.list_images()
        in_use = {container.image_ref or container.image.image for container in await self._runtime.list_containers()}
        in_use |= self._shown()
        self._note(images, in_use, self._clock.now())
        return [
            Candidate(id=image.id, size=image.size, used=self._used[image.id])
            for image in images
            if not names(image) & in_use and not is_kept(image, self._config)
        ]

    async def _remove(self, candidates: Iterable[Candidate], now: float) -> int:
        """Removes what the runtime lets go; returns the bytes."""
        freed = 0
        for candidate in candidates:
            try:
                await self._runtime.remove_image(candidate.id)
                freed += candidate.size
                self._count(AGE if is_old(candidate, now, self._config.image_gc_oldest) else SPACE)
            except RuntimeFailure as error:
                log.warning("an unused image could not be removed image=%s error=%s", candidate.id, error)
        return freed

    def _note(self, images: Sequence[Any], in_use: set[str], now: float) -> None:
        present = {image.id for image in images}
        self._used = {image_id: used for image_id, used in self._used.items() if image_id in present}
        for image in images:
            if image.id not in self._used or names(image) & in_use:
                self._used[image.id] = now


def names(image: Any) -> set[str]:
    """Everything a container may call it."""
    return {image.id, *image.repo_tags, *image.repo_digests}


def is_kept(image: Any, config: KubeletConfig) -> bool:
    """Images that no registry could give back: the runtime's pinned ones, and those built on the spot."""
    return bool(image.pinned) or any(tag.startswith(config.kept_images) for tag in image.repo_tags)
