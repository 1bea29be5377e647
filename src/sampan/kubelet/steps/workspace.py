"""What every step of one pod works with: the pod, what is known of it, and the node around it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sampan.aio.tasks import TaskOwner
from sampan.kubelet import containerconfig, podbandwidth
from sampan.kubelet.asking import Target
from sampan.kubelet.context import NodeContext
from sampan.kubelet.dns import Resolver, resolver_for
from sampan.kubelet.environment import ConfigError
from sampan.kubelet.memory import Failure, Memory
from sampan.kubelet.observed import Observed
from sampan.kubelet.observer import Observer
from sampan.kubelet.resize.allocation import Allocation
from sampan.kubelet.spec import ephemeral_containers, host_network, init_containers
from sampan.kubelet.userids import UserIdsError
from sampan.volumes.interface import Made, PodVolumes

RETRY_BASE = 1.0
RETRY_CAP = 30.0
T = TypeVar("T")


class Interrupted(Exception):
    """What was under way is not wanted any more: the pod is to end."""


class Worker(Protocol):
    """The worker a workspace belongs to; its steps write its memory and run what takes long as its tasks."""

    pod: Any
    uid: str
    memory: Memory
    observer: Observer
    owner: TaskOwner
    finished: bool
    allocation: Allocation

    @property
    def seen(self) -> Observed: ...

    def wake(self) -> None: ...

    def ended(self, container_id: str) -> None:
        """The container has ended, or is worth a look."""
        ...

    async def or_ending(self, work: Awaitable[T]) -> T:
        """The result of `work`; raises Interrupted as soon as the pod is told to end."""
        ...


class Workspace:
    """`made` are the pod's volumes by name, once they are set up."""

    def __init__(self, worker: Worker, context: NodeContext) -> None:
        self.worker = worker
        self.context = context
        self.made: dict[str, Made] = {}

    @property
    def pod(self) -> Any:
        return self.worker.pod

    @property
    def memory(self) -> Memory:
        return self.worker.memory

    @property
    def paths(self) -> dict[str, Path]:
        """Where the pod's volumes lie, by name."""
        return {name: made.path for name, made in self.made.items()}

    @property
    def folder(self) -> Path:
        return self.context.config.root / "pods" / self.worker.uid

    @property
    def log_folder(self) -> Path:
        return containerconfig.pod_log_folder(self.pod, self.context.config.log_root)

    def volumes(self) -> PodVolumes:
        """The pod as its volumes and environment see it."""
        config, sandbox = self.context.config, self.worker.seen.sandbox
        ips = config.node_ips if host_network(self.pod) else sandbox.ips if sandbox else ()
        return PodVolumes(
            pod=self.pod,
            directory=self.folder,
            objects=self.context.objects,
            mounter=self.context.mounter,
            images=self.context.image_volumes,
            host_ips=config.node_ips,
            pod_ips=ips,
            allocatable=self.context.allocatable,
            node_labels=self.context.node_labels(),
        )

    def sandbox_config(self, attempt: int, handler: str) -> Any:
        """Raises ConfigError and HostnameError."""
        podbandwidth.check(self.pod)
        return containerconfig.sandbox_config(
            self.pod, attempt=attempt, resolver=self.resolver(), config=self.context.config, users=self.users(handler)
        )

    def resolver(self) -> Resolver:
        """What the pod's containers use to find names."""
        config = self.context.config
        return resolver_for(
            self.pod, node=self.context.resolver, cluster_servers=config.cluster_dns, domain=config.cluster_domain
        )

    def users(self, handler: str) -> int | None:
        """The first of the node's user ids that are the pod's own, None when it uses the node's; raises ConfigError."""
        if self.pod.spec.hostUsers is not False:
            return None
        if not self.context.features.user_namespaces(handler):
            raise ConfigError(f'RuntimeClass handler "{handler}" does not support user namespaces')
        try:
            return self.context.user_ids.block(self.worker.uid)
        except UserIdsError as error:
            raise ConfigError(str(error)) from None

    def target(self, spec: Any, container_id: str) -> Target:
        """A container as hooks see it."""
        ips = self.volumes().pod_ips
        return Target(container_id=container_id, spec=spec, ip=ips[0] if ips else "")

    def run(self, work: Callable[[], Awaitable[Any]], name: str) -> Any:
        """Runs what takes long beside the worker."""
        return self.worker.owner.start(work, name=name, policy="log")

    def tell(self, container: str, type_: str, reason: str, message: str) -> None:
        """An event on the pod, or on one of its containers."""
        path = field_path(self.pod, container) if container else ""
        self.context.recorder.event(self.pod, type_, reason, message, field_path=path)

    def failure(
        self, before: Failure | None, reason: str, message: str, *, base: float = RETRY_BASE, cap: float = RETRY_CAP
    ) -> Failure:
        """One more failure, to be tried again after `base` seconds, twice that, ... `cap`."""
        now = self.context.clock.now()
        count = before.count + 1 if before else 1
        delay = min(base * 2.0 ** (count - 1), cap)
        return Failure(reason=reason, message=message, at=now, retry_at=now + delay, count=count)


def field_path(pod: Any, name: str) -> str:
    """`spec.containers{name}`, as events name a container."""
    for field, specs in (("initContainers", init_containers(pod)), ("ephemeralContainers", ephemeral_containers(pod))):
        if any(spec.name == name for spec in specs):
            return f"spec.{field}{{{name}}}"
    return f"spec.containers{{{name}}}"


def make_folder(path: str | Path) -> None:
    Path(path).mkdir(parents=True, exist_ok=True, mode=0o755)
