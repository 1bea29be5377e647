"""Which of one pod's containers are probed, as it is seen now."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sampan.kubelet.asking import Target
from sampan.kubelet.context import NodeContext
from sampan.kubelet.memory import ProbeResults
from sampan.kubelet.probes import Prober
from sampan.kubelet.spec import container_by_name, host_network
from sampan.kubelet.steps.workspace import Worker


class PodProbes:
    """`tell(container, type, reason, message)` makes an event."""

    def __init__(self, worker: Worker, context: NodeContext, tell: Callable[[str, str, str, str], None]) -> None:
        self._worker = worker
        self._node_ips = context.config.node_ips
        self._adopted = False
        self._prober = Prober(
            context.handlers,
            context.clock,
            context.rng,
            context.probes,
            results=worker.memory.probes,
            changed=worker.wake,
            tell=lambda spec, reason, message: tell(spec.name, "Warning", reason, message),
        )

    @property
    def counts(self) -> Mapping[tuple[str, str, str], int]:
        """Attempts of probes by container, probe and result."""
        return self._prober.counts

    def look(self) -> None:
        """Probes what is to be probed from now on."""
        if not self._adopted:
            self._adopted = True
            self._adopt()
        self._prober.watch(self._targets(), self._stopping())

    def close(self) -> None:
        self._prober.close()

    def _adopt(self) -> None:
        """Takes over what the API says of probes of containers that ran before us, until their next probe says else."""
        status = self._worker.pod.status
        known = [*((status.initContainerStatuses if status else None) or ())]
        known += (status.containerStatuses if status else None) or ()
        for told in known:
            container = self._worker.seen.latest.get(told.name)
            if container is not None and container.alive and (told.containerID or "").endswith(container.id):
                results = ProbeResults(startup=told.started or None, readiness=told.ready or None)
                self._worker.memory.probes[container.id] = results

    def _stopping(self) -> set[str]:
        """Containers on their way down: they may still be ready, but are not restarted any more."""
        memory, seen = self._worker.memory, self._worker.seen
        return set(memory.stopping if memory.ending is None else (c.id for c in seen.containers))

    def _targets(self) -> list[Target]:
        pod, seen = self._worker.pod, self._worker.seen
        if seen.sandbox is None:
            return []
        sandbox = seen.sandbox
        ips = self._node_ips if host_network(pod) else sandbox.ips
        running = [c for c in seen.latest.values() if c.state == "running" and c.sandbox_id == sandbox.id]
        specs = [(container, container_by_name(pod, container.name)) for container in running]
        return [
            Target(container_id=container.id, spec=spec, ip=ips[0] if ips else "", started=container.started)
            for container, spec in specs
            if spec is not None and container.id not in self._worker.memory.hooks
        ]
