"""Starting containers, with their postStart hooks, and removing ended ones."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from sampan.cri.errors import RuntimeFailure, RuntimeUnavailable
from sampan.kubelet import actions, containerconfig
from sampan.kubelet.devices.apply import apply
from sampan.kubelet.devices.manager import DeviceError
from sampan.kubelet.environment import ConfigError, container_environment
from sampan.kubelet.hooks import failure, run_hook
from sampan.kubelet.memory import Failure, ImageReady
from sampan.kubelet.mounts import container_devices, container_mounts
from sampan.kubelet.spec import (
    container_by_name,
    ephemeral_containers,
    full_name,
    host_network,
    init_containers,
    post_start,
)
from sampan.kubelet.steps.workspace import Interrupted, Workspace, make_folder
from sampan.volumes.errors import VolumeError

log = logging.getLogger(__name__)


class ContainerSteps:
    def __init__(self, space: Workspace) -> None:
        self._space = space

    async def start(self, action: actions.StartContainer) -> bool:
        with self._space.context.turns.starting():
            return await self._create_and_start(action)

    async def _create_and_start(self, action: actions.StartContainer) -> bool:
        spec: Any = container_by_name(self._space.pod, action.container)
        self._space.context.instruments.started_containers.labels(kind_of(self._space.pod, spec)).inc()
        try:
            container_id = await self._create(spec, action)
        except Interrupted:
            return False
        except RuntimeUnavailable:
            raise
        except (ConfigError, VolumeError, DeviceError) as error:
            self._failed(spec.name, "CreateContainerConfigError", str(error))
            return False
        except (RuntimeFailure, OSError) as error:
            self._failed(spec.name, "CreateContainerError", str(error))
            return False
        return await self._start(spec, container_id)

    async def _guarded(self) -> None:
        """What guards the pod's network must be there before its first packet."""
        pod, context = self._space.pod, self._space.context
        if not host_network(pod):
            await self._space.worker.or_ending(context.guard(pod, self._space.volumes().pod_ips))

    async def _create(self, spec: Any, action: actions.StartContainer) -> str:
        """A new instance, not yet started; returns its id."""
        space, context = self._space, self._space.context
        sandbox = space.worker.seen.sandbox
        assert sandbox is not None
        container = await self._config(spec, action, sandbox.handler)
        await self._guarded()
        await self._lend(spec, container)
        sandbox_config = space.sandbox_config(sandbox.attempt, sandbox.handler)
        make_folder(f"{sandbox_config.log_directory}/{spec.name}")
        container_id = await context.runtime.create_container(sandbox.id, container, sandbox_config)
        context.watcher.belongs([container_id], space.worker.uid)
        space.tell(spec.name, "Normal", "Created", "Container created")
        return container_id

    async def _config(self, spec: Any, action: actions.StartContainer, handler: str) -> Any:
        """The runtime's ContainerConfig, but for what the node lends."""
        space, context = self._space, self._space.context
        image = space.memory.images.get(spec.name)
        assert isinstance(image, ImageReady)
        environment, users = await self._environment(spec), space.users(handler)
        config = containerconfig.container_config(
            space.pod,
            spec,
            action,
            environment=environment,
            mounts=await self._mounts(spec, environment, handler, users),
            image=image.details,
            termination_file=termination_file(space.folder, spec.name, action.restarts),
            config=context.config,
            node_memory=context.memory,
            swap=context.cgroups.swap,
            kill_all=context.cgroups.kill_all,
            target=self._target(spec),
            users=users,
        )
        config.devices.extend(container_devices(spec, space.made))
        return config

    async def _environment(self, spec: Any) -> Mapping[str, str]:
        space = self._space
        services = space.context.service_variables(space.pod)
        skipped = partial(self._tell_skipped, spec.name)
        finding = container_environment(spec, space.volumes(), services, paths=space.paths, skipped=skipped)
        return await space.worker.or_ending(finding)

    async def _mounts(
        self, spec: Any, environment: Mapping[str, str], handler: str, users: int | None
    ) -> Sequence[Any]:
        space, context = self._space, self._space.context
        recursive = context.features.recursive_read_only(handler)
        making = container_mounts(
            spec,
            space.volumes(),
            space.made,
            environment,
            context.config,
            context.node_hosts,
            recursive=recursive,
            users=users,
        )
        return await space.worker.or_ending(making)

    async def _lend(self, spec: Any, config: Any) -> None:
        """The processors and devices of the node that the container has for itself."""
        pod, uid, context = self._space.pod, self._space.worker.uid, self._space.context
        config.linux.resources.cpuset_cpus = context.cpus.of(pod, spec)
        if context.cpus.exclusive(uid, spec.name):
            # What it has for itself, it is not throttled on.
            config.linux.resources.cpu_quota = 0
        near = context.cpus.nodes(uid, spec.name)
        apply(config, await context.devices.allocate(pod, spec, near))

    def _tell_skipped(self, container: str, source: str, names: Sequence[str]) -> None:
        text = f"Keys [{', '.join(names)}] from the EnvFrom {source} were skipped since they are considered invalid"
        self._space.tell(container, "Warning", "InvalidEnvironmentVariableNames", f"{text} environment variable names.")

    def _target(self, spec: Any) -> str:
        """The id of the container that a debugging one looks into, "" where it names none. Raises ConfigError."""
        name = getattr(spec, "targetContainerName", None)
        if not name:
            return ""
        container = self._space.worker.seen.current(name)
        if container is None or not container.alive:
            raise ConfigError(f'target container "{name}" is not running')
        return str(container.id)

    async def _start(self, spec: Any, container_id: str) -> bool:
        space = self._space
        try:
            await space.context.runtime.start_container(container_id)
        except RuntimeUnavailable:
            raise
        except RuntimeFailure as error:
            self._failed(spec.name, "RunContainerError", str(error))
            return False
        # A restart asks for the image again: its policy may be Always.
        space.memory.images.pop(spec.name, None)
        space.memory.failures.pop(spec.name, None)
        space.tell(spec.name, "Normal", "Started", "Container started")
        if post_start(spec) is not None:
            space.memory.hooks.add(container_id)
            space.run(lambda: self._post_start(spec, container_id), f"postStart {spec.name}")
        sandbox = space.worker.seen.sandbox
        assert sandbox is not None
        await space.worker.observer.started_container(container_id, sandbox.id)
        return True

    async def _post_start(self, spec: Any, container_id: str) -> None:
        space, context = self._space, self._space.context
        hook = run_hook(context.handlers, context.clock, post_start(spec), space.target(spec, container_id))
        answer = await hook
        if answer.ok:
            space.memory.hooks.discard(container_id)
        else:
            # What the hook said may hold a secret: it goes to the node's log, not into an event (as upstream).
            log.warning("postStart hook failed pod=%s container=%s: %s", full_name(space.pod), spec.name, answer.text)
            space.tell(spec.name, "Warning", "FailedPostStartHook", "PostStartHook failed")
            space.memory.failed_hooks.add(container_id)
            # Shown until it runs again, or backs off; what to do then is its restart's, not this failure's.
            now, text = context.clock.now(), failure(post_start(spec), spec.name, full_name(space.pod), answer)
            space.memory.failures[spec.name] = Failure(reason="PostStartHookError", message=text, at=now, retry_at=now)
        space.worker.wake()

    def _failed(self, name: str, reason: str, text: str) -> None:
        failures = self._space.memory.failures
        failures[name] = self._space.failure(failures.get(name), reason, text)
        kind = kind_of(self._space.pod, container_by_name(self._space.pod, name))
        self._space.context.instruments.started_containers_errors.labels(kind, reason).inc()
        self._space.tell(name, "Warning", "Failed", f"Error: {text}")

    async def remove(self, action: actions.RemoveContainer) -> None:
        space = self._space
        removed = next((c for c in space.worker.seen.containers if c.id == action.id), None)
        await space.context.runtime.remove_container(action.id)
        space.worker.allocation.forget(action.id)
        for ids in (space.memory.hooks, space.memory.failed_hooks, space.memory.prestopped):
            ids.discard(action.id)
        if removed is not None:
            remove_files(space, removed.name, removed.restarts)


def kind_of(pod: Any, spec: Any) -> str:
    """As upstream's metrics call it."""
    if any(spec is other for other in ephemeral_containers(pod)):
        return "ephemeral_container"
    return "init_container" if any(spec is other for other in init_containers(pod)) else "container"


def termination_file(folder: Path, container: str, restarts: int) -> Path:
    """Makes the empty file that an instance may leave its last words in; any user may write to it."""
    path = folder / "containers" / container / str(restarts)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    path.chmod(0o666)
    return path


def remove_files(space: Workspace, container: str, restarts: int) -> None:
    """An ended instance's log, rotated ones included, and its last words."""
    log_file = space.log_folder / containerconfig.log_path(container, restarts)
    for path in (log_file, *log_file.parent.glob(f"{log_file.name}.*")):
        path.unlink(missing_ok=True)
    (space.folder / "containers" / container / str(restarts)).unlink(missing_ok=True)
