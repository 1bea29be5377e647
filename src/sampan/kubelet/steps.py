"""How each action of a plan is carried out, with the events that go with it."""

from __future__ import annotations

import asyncio
import math
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sampan.cri.errors import RuntimeFailure, RuntimeUnavailable
from sampan.kubelet import actions, containerconfig
from sampan.kubelet.containerstatus import ERROR_SHOWN_SECONDS
from sampan.kubelet.context import NodeContext
from sampan.kubelet.dns import resolver_for
from sampan.kubelet.environment import ConfigError, container_environment
from sampan.kubelet.hooks import post_start, pre_stop, run_hook
from sampan.kubelet.images import ImageError
from sampan.kubelet.memory import Failure, ImagePulling, ImageReady
from sampan.kubelet.mounts import container_mounts
from sampan.kubelet.probes import Target
from sampan.kubelet.spec import container_by_name, grace_seconds, host_network, init_containers
from sampan.volumes import kinds
from sampan.volumes.errors import VolumeError
from sampan.volumes.interface import PodVolumes

if TYPE_CHECKING:
    from sampan.kubelet.worker import PodWorker

RETRY_BASE = 1.0
RETRY_CAP = 30.0
SHORTEST_GRACE = 2.0
TURN_SECONDS = 5.0


class Interrupted(Exception):
    """What was under way is not wanted any more: the pod is to end."""


class Steps:
    """Belongs to one worker, whose memory it writes."""

    def __init__(self, worker: PodWorker, context: NodeContext) -> None:
        self._worker = worker
        self._context = context
        self._paths: dict[str, Path] = {}
        self._stops: dict[str, asyncio.Task[Any]] = {}
        self._prestopped: set[str] = set()
        self._table: dict[type, Callable[[Any], Awaitable[None]]] = {
            actions.SetUpVolumes: self._set_up_volumes,
            actions.TearDown: self._tear_down,
            actions.CreateSandbox: self._create_sandbox,
            actions.StopSandbox: self._stop_sandbox,
            actions.RemoveSandbox: self._remove_sandbox,
            actions.EnsureImage: self._ensure_image,
            actions.StartContainer: self._start_container,
            actions.StopContainer: self._stop_container,
            actions.RemoveContainer: self._remove_container,
            actions.Finish: self._finish,
        }

    async def do(self, action: actions.Action) -> None:
        """Raises RuntimeFailure when the runtime is in the way of a step that has no place for its failure."""
        await self._table[type(action)](action)

    @property
    def _pod(self) -> Any:
        return self._worker.pod

    @property
    def _memory(self) -> Any:
        return self._worker.memory

    # Volumes.

    @property
    def folder(self) -> Path:
        return self._context.config.root / "pods" / self._worker.uid

    def volumes(self) -> PodVolumes:
        """The pod as its volumes and environment see it."""
        config, sandbox = self._context.config, self._worker.seen.sandbox
        ips = config.node_ips if host_network(self._pod) else sandbox.ips if sandbox else ()
        return PodVolumes(
            pod=self._pod,
            directory=self.folder,
            objects=self._context.objects,
            mounter=self._context.mounter,
            host_ips=config.node_ips,
            pod_ips=ips,
            allocatable=dict(self._context.allocatable),
        )

    async def _set_up_volumes(self, _: actions.SetUpVolumes) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o750)
            self._paths = await self._worker.or_ending(kinds.set_up(self.volumes()))
        except Interrupted:
            return
        except (VolumeError, OSError) as error:
            self._memory.volumes = self._failure(self._memory.volumes, "FailedMount", str(error))
            self.tell("", "Warning", "FailedMount", str(error))
            return
        self._memory.volumes, self._memory.volumes_ready = None, True
        if kinds.has_changing(self._pod):
            self._worker.owner.start(self._refresh_forever, name="volumes", policy="log")

    async def _refresh_forever(self) -> None:
        """Keeps volumes current within a minute, each pod at its own moment."""
        period = self._context.config.volume_refresh
        while True:
            await self._context.clock.sleep(period * (0.8 + 0.2 * self._context.rng.random()))
            if self._memory.torn_down:
                return
            try:
                await kinds.refresh(self.volumes())
            except (VolumeError, OSError) as error:
                self.tell("", "Warning", "FailedMount", str(error))

    async def _tear_down(self, _: actions.TearDown) -> None:
        try:
            for name in ("volumes", "volume-subpaths"):
                kinds.tear_down(self.folder / name, self._context.mounter)
        except (VolumeError, OSError) as error:
            self.tell("", "Warning", "FailedUnMount", str(error))
            raise RuntimeFailure(f"volumes cannot be taken away: {error}") from None
        self._memory.torn_down = True

    # Sandboxes.

    def sandbox_config(self, attempt: int) -> Any:
        config = self._context.config
        resolver = resolver_for(
            self._pod,
            node=self._context.resolver,
            cluster_servers=config.cluster_dns,
            domain=config.cluster_domain,
        )
        return containerconfig.sandbox_config(self._pod, attempt=attempt, resolver=resolver, config=config)

    async def _create_sandbox(self, action: actions.CreateSandbox) -> None:
        config = self.sandbox_config(action.attempt)
        make_folder(config.log_directory)
        try:
            sandbox_id = await self._worker.or_ending(self._run_sandbox(config))
        except Interrupted:
            return
        except RuntimeUnavailable:
            raise
        except RuntimeFailure as error:
            text = f"Failed to create pod sandbox: {error}"
            self._memory.sandbox = self._failure(self._memory.sandbox, "FailedCreatePodSandBox", text)
            self.tell("", "Warning", "FailedCreatePodSandBox", text)
            return
        self._memory.sandbox = None
        self._context.watcher.belongs([sandbox_id], self._worker.uid)
        if action.attempt:
            self.tell("", "Normal", "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.")

    async def _run_sandbox(self, config: Any) -> str:
        """Waits its turn, so that of many pods the first are up while the last wait; a slow one gives its turn back."""
        async with self._context.sandbox_turns:
            call = asyncio.ensure_future(self._context.runtime.run_sandbox(config, ""))
            try:
                return await self._context.clock.wait_for(asyncio.shield(call), TURN_SECONDS)
            except TimeoutError:
                pass
            except asyncio.CancelledError:
                call.cancel()
                raise
        try:
            return await call
        finally:
            call.cancel()

    async def _stop_sandbox(self, action: actions.StopSandbox) -> None:
        try:
            await self._context.runtime.stop_sandbox(action.id)
        except RuntimeUnavailable:
            raise
        except RuntimeFailure as error:
            self.tell("", "Warning", "FailedKillPod", f"error killing pod: {error}")
            raise

    async def _remove_sandbox(self, action: actions.RemoveSandbox) -> None:
        await self._context.runtime.stop_sandbox(action.id)
        await self._context.runtime.remove_sandbox(action.id)

    # Images.

    async def _ensure_image(self, action: actions.EnsureImage) -> None:
        spec: Any = container_by_name(self._pod, action.container)
        tell = self._teller(action.container)
        images = self._memory.images
        before = images.get(action.container)
        try:
            ready = await self._context.images.present(spec, tell)
        except ImageError as error:
            images[action.container] = self._image_failure(before, error)
            return
        if ready is not None:
            images[action.container] = ready
            return
        images[action.container] = ImagePulling(since=self._context.clock.now())
        self._worker.owner.start(lambda: self._pull(spec, before), name=f"pull {spec.name}", policy="log")

    async def _pull(self, spec: Any, before: Any) -> None:
        try:
            self._memory.images[spec.name] = await self._context.images.pull(self._pod, spec, self._teller(spec.name))
        except ImageError as error:
            self._memory.images[spec.name] = failure = self._image_failure(before, error)
            self._worker.owner.start(lambda: self._tell_backoff(spec, failure), name="back-off", policy="log")
        self._worker.wake()

    async def _tell_backoff(self, spec: Any, failure: Failure) -> None:
        """The status turns from the error to the back-off after a moment, and so do the events."""
        await self._context.clock.sleep(ERROR_SHOWN_SECONDS)
        if self._memory.images.get(spec.name) is failure:
            self.tell(spec.name, "Normal", "BackOff", f'Back-off pulling image "{spec.image}"')
            self.tell(spec.name, "Warning", "Failed", "Error: ImagePullBackOff")
            self._worker.wake()

    def _image_failure(self, before: Any, error: ImageError) -> Failure:
        config, now = self._context.config, self._context.clock.now()
        count = before.count + 1 if isinstance(before, Failure) else 1
        delay = min(config.image_backoff_base * 2.0 ** (count - 1), config.image_backoff_cap)
        return Failure(reason=error.reason, message=error.message, at=now, retry_at=now + delay, count=count)

    # Containers.

    async def _start_container(self, action: actions.StartContainer) -> None:
        spec, name = container_by_name(self._pod, action.container), action.container
        try:
            container_id = await self._create(spec, action)
            try:
                await self._context.runtime.start_container(container_id)
            except RuntimeUnavailable:
                raise
            except RuntimeFailure as error:
                self._container_failed(name, "RunContainerError", str(error))
                return
        except Interrupted:
            return
        except (ConfigError, VolumeError) as error:
            self._container_failed(name, "CreateContainerConfigError", str(error))
            return
        except RuntimeUnavailable:
            raise
        except (RuntimeFailure, OSError) as error:
            self._container_failed(name, "CreateContainerError", str(error))
            return
        # A restart asks for the image again: its policy may be Always.
        self._memory.images.pop(name, None)
        self._memory.failures.pop(name, None)
        self.tell(name, "Normal", "Started", "Container started")
        if post_start(spec) is not None:
            self._memory.hooks.add(container_id)
            self._worker.owner.start(
                lambda: self._post_start(spec, container_id), name=f"postStart {name}", policy="log"
            )

    async def _create(self, spec: Any, action: actions.StartContainer) -> str:
        """A new instance, not yet started; returns its id."""
        sandbox, image = self._worker.seen.sandbox, self._memory.images.get(spec.name)
        assert sandbox is not None and isinstance(image, ImageReady)
        volumes, config = self.volumes(), self._context.config
        services = self._context.service_variables(self._pod)
        environment = await self._worker.or_ending(container_environment(spec, volumes, services))
        termination = termination_file(self.folder, spec.name, action.restarts)
        container = containerconfig.container_config(
            self._pod,
            spec,
            restarts=action.restarts,
            delay=action.delay,
            environment=environment,
            mounts=container_mounts(spec, volumes, self._paths, environment, config, self._context.node_hosts),
            image=image.details,
            termination_file=termination,
            config=config,
            node_memory=self._context.memory,
        )
        sandbox_config = self.sandbox_config(sandbox.attempt)
        make_folder(f"{sandbox_config.log_directory}/{spec.name}")
        container_id = await self._context.runtime.create_container(sandbox.id, container, sandbox_config)
        self._context.watcher.belongs([container_id], self._worker.uid)
        self.tell(spec.name, "Normal", "Created", "Container created")
        return container_id

    def _container_failed(self, name: str, reason: str, text: str) -> None:
        before = self._memory.failures.get(name)
        self._memory.failures[name] = self._failure(before, reason, text)
        self.tell(name, "Warning", "Failed", f"Error: {text}")

    async def _post_start(self, spec: Any, container_id: str) -> None:
        target = self._target(spec, container_id)
        ok, text = await run_hook(self._context.handlers, self._context.clock, post_start(spec), target)
        self._memory.hooks.discard(container_id)
        if not ok and self._memory.ending is None:
            self.tell(spec.name, "Warning", "FailedPostStartHook", f"PostStartHook failed: {text}")
            self.tell(spec.name, "Normal", "Killing", "FailedPostStartHook")
            await self._context.runtime.stop_container(container_id, math.ceil(grace_seconds(self._pod)))
        self._worker.wake()

    async def _stop_container(self, action: actions.StopContainer) -> None:
        self._memory.stopping.add(action.id)
        self.tell(action.container, "Normal", "Killing", action.message)
        task = self._worker.owner.start(lambda: self._stop(action), name=f"stop {action.container}", policy="log")
        self._stops[action.id] = task

    async def _stop(self, action: actions.StopContainer) -> None:
        """preStop hook, stop signal, SIGKILL: all within the grace, of which the signal gets two seconds at least."""
        spec = container_by_name(self._pod, action.container)
        try:
            left = await self._pre_stop(spec, action)
            await self._context.runtime.stop_container(action.id, math.ceil(left))
        except RuntimeFailure as error:
            self.tell(action.container, "Warning", "FailedKillPod", f"error killing pod: {error}")
            await self._context.clock.sleep(RETRY_BASE)
        self._stops.pop(action.id, None)
        self._memory.stopping.discard(action.id)
        self._worker.wake()

    async def _pre_stop(self, spec: Any, action: actions.StopContainer) -> float:
        """Runs the hook if there is one; returns the seconds of grace that are left."""
        hook = pre_stop(spec) if spec is not None and action.prestop else None
        if hook is None or action.grace <= 0 or action.id in self._prestopped:
            return action.grace
        self._prestopped.add(action.id)
        clock = self._context.clock
        began = clock.monotonic()
        try:
            ok, text = await clock.wait_for(
                run_hook(self._context.handlers, clock, hook, self._target(spec, action.id)), action.grace
            )
        except TimeoutError:
            ok, text = False, f"not finished within {action.grace:g}s"
        if not ok:
            self.tell(action.container, "Warning", "FailedPreStopHook", f"PreStopHook failed: {text}")
        return max(action.grace - (clock.monotonic() - began), SHORTEST_GRACE)

    def interrupt_stops(self) -> None:
        """Lets containers be stopped again, with less grace than they were given."""
        for task in self._stops.values():
            task.cancel()
        self._stops.clear()
        self._memory.stopping.clear()

    async def _remove_container(self, action: actions.RemoveContainer) -> None:
        removed = next((c for c in self._worker.seen.containers if c.id == action.id), None)
        await self._context.runtime.remove_container(action.id)
        if removed is not None:
            folder = containerconfig.pod_log_folder(self._pod, self._context.config.log_root)
            log_file = folder / containerconfig.log_path(removed.name, removed.restarts)
            for path in (log_file, *log_file.parent.glob(f"{log_file.name}.*")):
                path.unlink(missing_ok=True)
            (self.folder / "containers" / removed.name / str(removed.restarts)).unlink(missing_ok=True)

    # The end.

    async def _finish(self, _: actions.Finish) -> None:
        if not self._memory.removed:
            await self._context.publisher.delete(self._pod)
        self._context.publisher.forget(self._worker.uid)
        remove_pod_files(self._context, self._pod, self.folder)
        self._worker.finished = True

    # What all need.

    def tell(self, container: str, type_: str, reason: str, message: str) -> None:
        """An event on the pod, or on one of its containers."""
        self._context.recorder.event(
            self._pod, type_, reason, message, field_path=field_path(self._pod, container) if container else ""
        )

    def _teller(self, container: str) -> Callable[[str, str, str], None]:
        return lambda type_, reason, message: self.tell(container, type_, reason, message)

    def _target(self, spec: Any, container_id: str) -> Target:
        ips = self.volumes().pod_ips
        return Target(container_id=container_id, spec=spec, ip=ips[0] if ips else "")

    def _failure(self, before: Failure | None, reason: str, message: str) -> Failure:
        now = self._context.clock.now()
        count = before.count + 1 if before else 1
        delay = min(RETRY_BASE * 2.0 ** (count - 1), RETRY_CAP)
        return Failure(reason=reason, message=message, at=now, retry_at=now + delay, count=count)


def make_folder(path: str) -> None:
    Path(path).mkdir(parents=True, exist_ok=True, mode=0o755)


def termination_file(folder: Path, container: str, restarts: int) -> Path:
    """Makes the empty file that an instance may leave its last words in; any user may write to it."""
    path = folder / "containers" / container / str(restarts)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    path.chmod(0o666)
    return path


def field_path(pod: Any, name: str) -> str:
    """`spec.containers{name}`, as events name a container."""
    inits = {spec.name for spec in init_containers(pod)}
    return f"spec.{'initContainers' if name in inits else 'containers'}{{{name}}}"


def remove_pod_files(context: NodeContext, pod: Any, folder: Path) -> None:
    """The pod's folder, logs and cgroup; raises VolumeError when something is still mounted there."""
    kinds.tear_down(folder, context.mounter)
    shutil.rmtree(containerconfig.pod_log_folder(pod, context.config.log_root), ignore_errors=True)
    context.remove_cgroup(pod)
