"""The cgroups of this node's pods: made before the first container, kept to what the pods ask for, removed after.

`/kubepods` holds everything pods use, within what the node can give away; Burstable and BestEffort pods lie in classes
of their own below it, Guaranteed ones directly. The runtime would make all of them by itself, but without any limit.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sampan.api.quantity import Quantity
from sampan.kubelet.cgroup import killing, names, settings
from sampan.kubelet.cgroup.settings import Settings
from sampan.kubelet.cgroup.systemd import Slices
from sampan.kubelet.cgroup.tree import CgroupTree
from sampan.kubelet.qos import qos_class
from sampan.kubelet.resources import Swap
from sampan.kubelet.systembus import BusError

log = logging.getLogger(__name__)


class CgroupError(Exception):
    """A cgroup cannot be made, or not be set as it must be."""


class PodCgroups:
    """`slices` when systemd makes them; `pods()` are those whose requests count. `pids` for each pod, 0 for no limit,
    `quota` whether CPU limits are set, `unthrottled(pod)` whether a pod is exempt from them, `single_kill` whether want
    of memory ends one process of a container instead of all (with cgroup v1 it always does)."""

    def __init__(
        self,
        tree: CgroupTree,
        *,
        driver: str,
        root: str,
        pods: Callable[[], Iterable[Any]],
        slices: Slices | None = None,
        pids: int = 0,
        quota: bool = True,
        unthrottled: Callable[[Any], bool] = lambda pod: False,
        single_kill: bool = False,
        swap_bytes: int = 0,
    ) -> None:
        self.tree = tree
        self._driver = driver
        self._root = root
        self._pods = pods
        self._slices = slices
        self._pids = pids
        self._quota = quota
        self._unthrottled = unthrottled
        self._set: dict[str, Settings] = {}
        self.kill_all = tree.version == 2 and not single_kill
        self.swap = Swap(bytes=swap_bytes)

    def name(self, pod: Any) -> str:
        return names.cgroup_parent(pod, driver=self._driver, root=self._root)

    def tier(self, quality: str) -> str:
        return names.tier(quality, driver=self._driver, root=self._root)

    async def begin(self, available: Mapping[str, Quantity]) -> None:
        """Makes what is above the pods; `available` is what they may use together, empty for no limit.

        Raises CgroupError.
        """
        await self._apply(self.tier(""), settings.of_node(available))
        self.swap = self.swap._replace(file=self.tree.swap(self.tier("")))
        await self.balance()

    def container(self, pod: Any, container_id: str) -> str:
        """The cgroup of a container, as containerd calls it below its pod's."""
        scope = f"cri-containerd-{container_id}.scope" if self._driver == names.SYSTEMD else container_id
        return f"{self.name(pod)}/{scope}"

    async def ensure(self, pod: Any, before: Any = None) -> None:
        """Makes the pod's cgroup and sets it to what the pod asks for now. Raises CgroupError.

        With `before`, the pod as it was, to the larger of both: its containers are about to be changed.
        """
        quota = self._quota and not self._unthrottled(pod)
        wanted = settings.of_pod(pod, pids=self._pids, quota=quota)
        if before is not None:
            wanted = settings.larger(wanted, settings.of_pod(before, pids=self._pids, quota=quota))
        await self._apply(self.name(pod), wanted)
        if qos_class(pod) in names.TIERS:
            await self.balance()

    async def balance(self) -> None:
        """Gives each class the weight that its pods ask for. Raises CgroupError."""
        for quality, wanted in settings.of_tiers(self._pods()).items():
            await self._apply(self.tier(quality), wanted)

    def hasten(self, pod: Any, container_id: str) -> None:
        """For a container of a pod that ends, which was killed and is there still (see `killing`)."""
        self._set.pop(self.name(pod), None)
        killing.hasten(self.tree, self.name(pod), self.container(pod, container_id))

    async def remove(self, pod: Any) -> None:
        name = self.name(pod)
        self._set.pop(name, None)
        if self._slices is not None:
            try:
                await self._slices.stop(name)
            except BusError as error:
                log.debug("a pod's slice was not stopped name=%s error=%s", name, error)
        self.tree.remove(name)

    def clear(self, known: Iterable[str]) -> int:
        """Removes the cgroups of pods that are not `known` (uids) and in which nothing runs; returns how many."""
        kept = {f"pod{uid}" for uid in known} | {f"pod{uid.replace('-', '_')}" for uid in known}
        removed = 0
        for quality in ("Guaranteed", *names.TIERS):
            tier = self.tier(quality)
            for child in self.tree.children(tier):
                own = child.removesuffix(".slice").rsplit("-", 1)[-1] if self._driver == names.SYSTEMD else child
                if own.startswith("pod") and own not in kept:
                    self.tree.remove(f"{tier}/{child}")
                    removed += 1
        return removed

    async def _apply(self, name: str, wanted: Settings) -> None:
        """Sets what is not set already by us."""
        if self._set.get(name) == wanted:
            return
        try:
            if self._slices is not None:
                await self._slices.apply(name, wanted)
                wanted_files = Settings(hugepages=wanted.hugepages)
            else:
                wanted_files = wanted
            self.tree.make(name)
            self.tree.apply(name, wanted_files)
        except (OSError, BusError) as error:
            raise CgroupError(f"cgroup {name} cannot be set: {error}") from None
        self._set[name] = wanted
