"""The CPU manager: gives whole processors to the containers of Guaranteed pods that ask for whole ones, and keeps all
others off them.

With the policy "none" it does nothing. With "static", a container's processors are chosen when its pod is taken, and
kept through restarts of the container and of the kubelet; whenever they change, the containers of the shared pool are
moved, and once in a while what the runtime may have lost is set again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from sampan.api import quantity
from sampan.cri.errors import RuntimeFailure
from sampan.cri.interface import Runtime
from sampan.cri.messages import pb
from sampan.kubelet.amounts import container_amount
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.cpus.assign import NotEnough, assigned, grouped, threads_per_core
from sampan.kubelet.cpus.hints import Hint, admitted, hints, merged
from sampan.kubelet.cpus.state import CpuState
from sampan.kubelet.cpus.topology import Topology, parse, shown
from sampan.kubelet.podadmission import Rejection
from sampan.kubelet.qos import qos_class
from sampan.kubelet.reservations import reserved
from sampan.kubelet.spec import all_containers, container_by_name

log = logging.getLogger(__name__)
OPTIONS = ("full-pcpus-only", "strict-cpu-reservation")
UNEXPECTED = "UnexpectedAdmissionError"


class CpuManager:
    """`device_hints(container)` are the hints of its devices; `changed` is called when containers are to be moved."""

    def __init__(
        self,
        config: KubeletConfig,
        topology: Topology,
        *,
        device_hints: Callable[[Any], list[list[Hint]]],
        changed: Callable[[], None],
    ) -> None:
        self.active = config.cpu_manager_policy == "static"
        self._policy = config.topology_policy
        self._topology = topology
        self._options = {name for name, value in config.cpu_manager_options.items() if value == "true"}
        self._device_hints = device_hints
        self._changed = changed
        self.reserved = kept_back(config, topology)
        self._state = CpuState(state_folder(config), config.cpu_manager_policy) if self.active else None
        self._set: dict[str, str] = {}

    def allocatable(self) -> frozenset[int]:
        """The processors that containers can have for themselves."""
        return frozenset(self._topology) - self.reserved if self.active else frozenset(self._topology)

    def exclusive(self, uid: str, container: str) -> frozenset[int]:
        """Those a container has for itself; none for one that shares."""
        return self._state.entries.get(uid, {}).get(container, frozenset()) if self._state else frozenset()

    def nodes(self, uid: str, container: str) -> frozenset[int]:
        """The NUMA nodes of the processors a container has for itself: its devices shall be near them."""
        return frozenset(self._topology[cpu].node for cpu in self.exclusive(uid, container))

    def has_exclusive(self, pod: Any) -> bool:
        return bool(self._state is not None and self._state.entries.get(pod.metadata.uid))

    def shared(self) -> frozenset[int]:
        """Those that everybody else runs on."""
        used = self._state.used() if self._state else frozenset()
        hidden = self.reserved if "strict-cpu-reservation" in self._options else frozenset()
        return frozenset(self._topology) - used - hidden

    def of(self, pod: Any, container: Any) -> str:
        """The processors of a container as the runtime wants them; "" for all."""
        if not self.active:
            return ""
        return shown(self.exclusive(pod.metadata.uid, container.name) or self.shared())

    def admit(self, pod: Any) -> Rejection | None:
        """Chooses the processors of a new pod's containers; why it cannot be, if it cannot."""
        if self._state is None:
            return None
        for container in all_containers(pod):
            count = whole_cpus(pod, container)
            if count and not self.exclusive(pod.metadata.uid, container.name):
                refusal = self._admit(pod, container, count)
                if refusal is not None:
                    self.forget(pod.metadata.uid)
                    return refusal
        return None

    def keep(self, uids: Iterable[str]) -> None:
        """Takes back what pods that are gone had."""
        for uid in set(self._state.entries if self._state else ()) - set(uids):
            self.forget(uid)

    def forget(self, uid: str) -> None:
        """Takes back what a pod had."""
        if self._state is not None and self._state.entries.pop(uid, None) is not None:
            self._state.write(self.shared())
            self._changed()

    async def reconcile(self, workers: Iterable[Any], runtime: Runtime, *, again: bool = False) -> None:
        """Moves running containers to the processors they are to have; with `again`, also those already there."""
        if not self.active:
            return
        alive: set[str] = set()
        for worker in workers:
            for seen in worker.seen.latest.values():
                spec = container_by_name(worker.pod, seen.name) if seen.state == "running" else None
                if spec is None:
                    continue
                alive.add(seen.id)
                wanted = self.of(worker.pod, spec)
                if again or self._set.get(seen.id) != wanted:
                    await self._move(runtime, seen.id, wanted)
        self._set = {known: cpus for known, cpus in self._set.items() if known in alive}

    async def _move(self, runtime: Runtime, container_id: str, wanted: str) -> None:
        try:
            await runtime.update_resources(container_id, pb.LinuxContainerResources(cpuset_cpus=wanted))
            self._set[container_id] = wanted
        except RuntimeFailure as error:
            log.warning("a container could not be moved container=%s cpus=%s error=%s", container_id, wanted, error)

    def _admit(self, pod: Any, container: Any, count: int) -> Rejection | None:
        assert self._state is not None
        threads = threads_per_core(self._topology)
        if "full-pcpus-only" in self._options and count % threads:
            text = f"SMT Alignment Error: requested {count} cpus not multiple cpus per core = {threads}"
            return Rejection("SMTAlignmentError", text)
        free = self.allocatable() - self._state.used()
        hint = self._hint(container, count, free)
        if not admitted(self._policy, hint):
            return Rejection("TopologyAffinityError", "Resources cannot be allocated with Topology locality")
        try:
            cpus = assigned(self._topology, free, count, hint.nodes if self._policy != "none" else frozenset())
        except NotEnough as error:
            return Rejection(UNEXPECTED, f"Allocate failed due to {error}, which is unexpected")
        self._state.give(pod.metadata.uid, container.name, cpus, self.shared() - cpus)
        log.info("processors given pod=%s container=%s cpus=%s", pod.metadata.name, container.name, shown(cpus))
        self._changed()
        return None

    def _hint(self, container: Any, count: int, free: frozenset[int]) -> Hint:
        def by_node(cpus: Iterable[int]) -> dict[int, int]:
            groups = grouped(self._topology, cpus, lambda cpu: cpu.node)
            return {node: len(group) for node, group in groups.items()}

        whole = by_node(self.allocatable())
        own = hints(count, by_node(free), whole)
        return merged([own, *self._device_hints(container)], whole)


def whole_cpus(pod: Any, container: Any) -> int:
    """How many processors a container is to have for itself; 0 for one that shares."""
    asked = quantity.milli(
        container_amount(container, "requests", "cpu") or container_amount(container, "limits", "cpu")
    )
    return asked // 1000 if asked % 1000 == 0 and qos_class(pod) == "Guaranteed" else 0


def kept_back(config: KubeletConfig, topology: Topology) -> frozenset[int]:
    """The processors that no container gets for itself: the named ones, or as many of the first as are reserved.

    Raises ValueError when the static policy has none: the machine's own daemons must run somewhere.
    """
    if config.cpu_manager_policy != "static":
        return frozenset()
    unknown = sorted(set(config.cpu_manager_options) - set(OPTIONS))
    if unknown:
        raise ValueError(f"cpuManagerPolicyOptions knows no {', '.join(unknown)}: there are {', '.join(OPTIONS)}")
    if config.reserved_cpus:
        return parse(config.reserved_cpus) & frozenset(topology)
    amount = reserved(config).get("cpu")
    count = -(-amount.milli // 1000) if amount is not None else 0
    if not count:
        raise ValueError(
            "the static CPU manager policy needs reservedSystemCPUs, or cpu in systemReserved or kubeReserved"
        )
    return assigned(topology, frozenset(topology), min(count, len(topology)))


def state_folder(config: KubeletConfig) -> Path:
    config.root.mkdir(parents=True, exist_ok=True)
    return config.root
