"""One pod's worker: looks, decides, acts, until there is nothing to do; then sleeps until woken.

All changes to a pod are made by its one worker, one after the other, so no two can meet. What takes long (a pull, a
hook, waiting for a container to stop) runs beside it as a task of the worker and wakes it at the end; what it found is
in the memory. A failure is noted there too, with the time to try again, and shows in the pod's status; nothing a pod
does can stop its worker.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from sampan.aio.clock import parse_timestamp
from sampan.aio.tasks import TaskOwner
from sampan.cri.errors import RuntimeFailure, RuntimeUnavailable
from sampan.kubelet.actions import Action, EnsureImage, StartContainer
from sampan.kubelet.asking import Target
from sampan.kubelet.containerconfig import pod_log_folder
from sampan.kubelet.context import NodeContext
from sampan.kubelet.decide import deadline_of, decide
from sampan.kubelet.memory import Ending, Memory, ProbeResults
from sampan.kubelet.observed import Observed
from sampan.kubelet.observer import Observer
from sampan.kubelet.phase import TERMINAL
from sampan.kubelet.podstatus import known_status, pod_status
from sampan.kubelet.probes import Prober
from sampan.kubelet.resize.allocation import Allocation
from sampan.kubelet.resize.amounts import snapshot
from sampan.kubelet.spec import container_by_name, full_name, grace_seconds, host_network
from sampan.kubelet.static.marks import is_static
from sampan.kubelet.steps.table import Steps
from sampan.kubelet.steps.workspace import Interrupted
from sampan.kubelet.watcher import Subscriber

log = logging.getLogger(__name__)
STEPS_PER_ROUND = 50
RUNTIME_RETRY = 1.0
RUNTIME_AWAY = 10.0
PASSING = (EnsureImage, StartContainer)
"""What is over in a moment, so that the status in between need not be told."""
EVENT_LAG = (0.01, 0.03, 0.1, 0.3, 1.0)
"""Seconds after which to look again when the runtime's lists still show a container alive whose end it has told."""


class PodWorker:
    def __init__(self, pod: Any, context: NodeContext) -> None:
        self.uid = pod.metadata.uid
        self.wanted = pod
        """As the API has it; `pod` is as this node runs it, with the resources that are allocated."""
        self.allocation = Allocation(pod, context.config.root / "pods" / self.uid)
        self.pod = self.allocation.applied(pod)
        self.mirror: Any = None
        """Of a static pod: its image in the API, once there is one."""
        self.memory = Memory(actuated=self.allocation.actuated)
        self.finished = False
        self.rounds = 0
        self._began = context.clock.monotonic()
        self.owner = TaskOwner(f"pod {pod.metadata.namespace}/{pod.metadata.name}")
        self._context = context
        self.observer = Observer(context.runtime, self.uid, pod_log_folder(pod, context.config.log_root))
        self._wake = asyncio.Event()
        self._ending = asyncio.Event()
        self._told_ended: dict[str, int] = {}
        self._adopted = False
        self._reported: Any = None
        self._backed_off: set[str] = set()
        self._steps = Steps(self, context)
        self._prober = Prober(
            context.handlers,
            context.clock,
            context.rng,
            context.probes,
            results=self.memory.probes,
            changed=self.wake,
            tell=lambda spec, reason, message: self._steps.tell(spec.name, "Warning", reason, message),
        )

    @property
    def seen(self) -> Observed:
        """What the runtime has of the pod, as last seen."""
        return self.observer.seen

    # What others tell the worker.

    def update(self, pod: Any) -> None:
        """The API's newest form of the pod; one that differs only in its status wakes nobody."""
        old, self.wanted = self.wanted, pod
        self.pod = self.allocation.applied(pod)
        self.reallocate()
        if old.metadata.deletionTimestamp != pod.metadata.deletionTimestamp or differs(old, pod):
            self._steps.pod_changed()
            self._note_ending()
            self.wake()

    def reallocate(self) -> None:
        """Allocates what the pod asks for, if it fits; notes why not. Again whenever something may have become free."""
        asked = snapshot(self.wanted)
        if asked == self.allocation.allocated or self.memory.ending is not None or self._phase() in TERMINAL:
            self._pend(None)
            return
        refusal = self._context.allocate(self.wanted)
        self._pend((refusal.reason, refusal.message) if refusal is not None else None)
        if refusal is None:
            self.tell("", "Normal", "ResizeStarted", "Pod resize started")
            self.allocation.allocate(asked)
            self.pod = self.allocation.applied(self.wanted)
            self.wake()

    def _pend(self, why: tuple[str, str] | None) -> None:
        if why != self.memory.resize_pending:
            self.memory.resize_pending = why
            if why is not None:
                self.tell("", "Warning", f"Resize{why[0]}", f"Pod resize {why[0]}: {why[1]}")
            self.wake()

    def remove(self) -> None:
        """The API has the pod no more: end what is left of it."""
        self.memory.removed = True
        self._note_ending()
        self.wake()

    def mirrored(self, mirror: Any) -> None:
        """What the API shows of a static pod: its status is told there. None when nothing is shown (any more)."""
        if self.mirror is not None and (mirror is None or mirror.metadata.uid != self.mirror.metadata.uid):
            self._context.publisher.forget(self.mirror.metadata.uid)
        self.mirror = mirror
        if mirror is not None and self._reported is not None:
            self._context.publisher.report(mirror, self._reported)

    def wake(self) -> None:
        self._wake.set()

    def ended(self, container_id: str) -> None:
        """The runtime says that this container or sandbox has ended; its lists may say so a little later."""
        self._told_ended[container_id] = 0
        self.wake()

    # The loop.

    async def run(self) -> None:
        """Returns when nothing is left of the pod."""
        self._context.watcher.subscribe(self.uid, Subscriber(wake=self.wake, ended=self.ended))
        try:
            while not self.finished:
                self._wake.clear()
                wake_at = await self._round()
                if not self.finished:
                    await self._rest(wake_at)
        finally:
            self._context.watcher.unsubscribe(self.uid)
            self._prober.close()
            await self.owner.close()

    async def _rest(self, wake_at: float | None) -> None:
        seconds = None if wake_at is None else max(wake_at - self._context.clock.now(), 0.0)
        try:
            await self._context.clock.wait_for(self._wake.wait(), seconds)
        except TimeoutError:
            return

    async def _round(self) -> float | None:
        """Acts until there is nothing to do; returns when to look again."""
        self.rounds += 1
        began = self._context.clock.monotonic()
        in_view = False
        try:
            for _ in range(STEPS_PER_ROUND):
                self._note_ending()
                await self._look(in_view)
                pod, now = self._known_pod(), self._context.clock.now()
                plan = decide(pod, self.seen, self.memory, now, self._context.config.crash_backoff)
                self._report(pod, now, plan.actions)
                if not plan.actions or self.finished:
                    return self._soonest(plan.wake_at, now)
                in_view = all([await self._act(action) for action in plan.actions])
            log.warning("a pod is never done pod=%s actions=%s", self.owner.name, plan.actions)
        except RuntimeUnavailable as error:
            # The watcher wakes everybody when it is back.
            log.debug("the runtime is away pod=%s error=%s", self.owner.name, error)
            return self._context.clock.now() + RUNTIME_AWAY
        except RuntimeFailure as error:
            log.warning("the runtime refused pod=%s error=%s", self.owner.name, error)
        except Exception:
            # A mistake of ours in one pod must not take the others down, nor leave this one for ever.
            log.exception("a pod's worker failed pod=%s", self.owner.name)
        finally:
            self._context.instruments.rounds.observe(self._context.clock.monotonic() - began)
        return self._context.clock.now() + RUNTIME_RETRY

    async def _look(self, in_view: bool) -> None:
        """Looks at the pod, `in_view` when all that happened to it since the last look is known."""
        if not in_view:
            await self.observer.observe()
        ids = [*(c.id for c in self.seen.containers), *(s.id for s in self.seen.sandboxes)]
        self._context.watcher.belongs(ids, self.uid)
        if not self._adopted:
            self._adopted = True
            self._adopt()
        self._prober.watch(self._targets(), self._stopping())

    def _adopt(self) -> None:
        """Takes over what the API says of probes of containers that ran before us, until their next probe says else."""
        status = self.pod.status
        known = [*((status.initContainerStatuses if status else None) or ())]
        known += (status.containerStatuses if status else None) or ()
        for told in known:
            container = self.seen.latest.get(told.name)
            if container is not None and container.alive and (told.containerID or "").endswith(container.id):
                results = ProbeResults(startup=told.started or None, readiness=told.ready or None)
                self.memory.probes[container.id] = results

    async def _act(self, action: Action) -> bool:
        """Carries an action out; returns whether what came of it is in view without another look."""
        log.debug("acting pod=%s action=%s", self.owner.name, action)
        return await self._steps.do(action)

    async def or_ending(self, work: Any) -> Any:
        """The result of `work`, unless the pod is told to end first: then it is cancelled and Interrupted raised."""
        if self.memory.ending is not None:
            return await work
        task = asyncio.ensure_future(work)
        told = asyncio.ensure_future(self._ending.wait())
        try:
            await asyncio.wait({task, told}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise Interrupted
        finally:
            told.cancel()
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    def _soonest(self, planned: float | None, now: float) -> float | None:
        """The plan's time, or earlier when the runtime still owes us the end of a container it told of."""
        alive = {c.id for c in self.seen.containers if c.alive} | {s.id for s in self.seen.sandboxes if s.ready}
        self._told_ended = {known: tries for known, tries in self._told_ended.items() if known in alive}
        times = [planned] if planned is not None else []
        for known, tries in list(self._told_ended.items()):
            if tries < len(EVENT_LAG):
                self._told_ended[known] = tries + 1
                times.append(now + EVENT_LAG[tries])
            else:
                del self._told_ended[known]
        return min(times, default=None)

    # Its end.

    def _note_ending(self) -> None:
        """Starts the end of a pod that is deleted, gone or over its deadline; a shorter grace replaces a longer."""
        ending = self._wanted_ending()
        if ending is None:
            return
        known = self.memory.ending
        if known is not None and not is_sharper(known, ending):
            return
        if known is not None:
            # Containers are being stopped with more time than they have now: begin again with less.
            self._steps.interrupt_stops()
        self.memory.ending = ending
        self.memory.hooks.clear()
        self._ending.set()
        self.wake()

    def _wanted_ending(self) -> Ending | None:
        now, meta = self._context.clock.now(), self.pod.metadata
        if meta.deletionTimestamp is not None:
            asked = meta.deletionGracePeriodSeconds
            grace = grace_seconds(self.pod) if asked is None else float(asked)
            since = min(max(parse_timestamp(meta.deletionTimestamp) - grace, now - grace), now)
            return Ending(since=since, grace=grace)
        if self.memory.removed:
            return Ending(since=now, grace=grace_seconds(self.pod))
        deadline = deadline_of(self._known_pod())
        if deadline is not None and deadline <= now and self._phase() not in TERMINAL:
            return Ending(
                since=now,
                grace=grace_seconds(self.pod),
                phase="Failed",
                reason="DeadlineExceeded",
                message="Pod was active on the node longer than the specified deadline",
            )
        return None

    def evict(self, reason: str, message: str, grace: float, *, disruption: str = "") -> bool:
        """Ends the pod as failed although nobody asked for it; False when it is ending already."""
        if self.memory.ending is not None or self._phase() in TERMINAL:
            return False
        self.memory.ending = Ending(
            since=self._context.clock.now(),
            grace=grace,
            phase="Failed",
            reason=reason,
            message=message,
            disruption=disruption,
        )
        self._ending.set()
        self.wake()
        return True

    def tell(self, container: str, type_: str, reason: str, message: str) -> None:
        """An event on the pod, or on one of its containers."""
        self._steps.tell(container, type_, reason, message)

    def is_over(self) -> bool:
        """Whether nothing of the pod runs any more, or soon will."""
        return (self.memory.ending is not None or self._phase() in TERMINAL) and not self.seen.any_alive

    # What it tells others.

    def _known_pod(self) -> Any:
        """The pod with the status last worked out here, which the API may not have yet."""
        return msgspec.structs.replace(self.pod, status=known_status(self.pod.status, self._reported))

    def _phase(self) -> str | None:
        status = self._reported or self.pod.status
        return status.phase if status else None

    def _report(self, pod: Any, now: float, to_come: Sequence[Action]) -> None:
        """Works out the status and tells it, unless it is the first moment of something that will be told at its end.

        Starting containers takes a moment, and the pod has been told of before: one write instead of two.
        """
        if self.memory.removed or (self.memory.torn_down and self._reported is not None):
            # Sandboxes are being removed: what is seen now says less than what was reported.
            return
        if self._reported is None and not self.seen.containers and self._phase() in TERMINAL:
            # A former kubelet has told all there was to tell, and its containers are gone.
            return
        config = self._context.config
        status = pod_status(
            pod, self.seen, self.memory, now=now, backoff=config.crash_backoff, host_ips=config.node_ips
        )
        if self._reported is not None and self._reported.phase == "Pending" and status.phase == "Running":
            self._context.instruments.starts.observe(self._context.clock.monotonic() - self._began)
        first, self._reported = self._reported is None, status
        shown = self.mirror if self.is_static else self.pod
        telling = first or not to_come or not all(isinstance(action, PASSING) for action in to_come)
        if telling and shown is not None:
            self._context.publisher.report(shown, status)
        self._tell_backoff(status)

    def _tell_backoff(self, status: Any) -> None:
        """Says once for each instance that its successor has to wait."""
        for told in [*(status.initContainerStatuses or ()), *(status.containerStatuses or ())]:
            waiting = told.state.waiting
            if waiting is None or waiting.reason != "CrashLoopBackOff" or told.containerID in self._backed_off:
                continue
            self._backed_off.add(told.containerID)
            text = f"Back-off restarting failed container {told.name} in pod {full_name(self.pod)}"
            self._steps.tell(told.name, "Warning", "BackOff", text)

    def _stopping(self) -> set[str]:
        """Containers on their way down: they may still be ready, but are not restarted any more."""
        return set(self.memory.stopping if self.memory.ending is None else (c.id for c in self.seen.containers))

    def _targets(self) -> list[Target]:
        if self.seen.sandbox is None:
            return []
        config, sandbox = self._context.config, self.seen.sandbox
        ips = config.node_ips if host_network(self.pod) else sandbox.ips
        running = [c for c in self.seen.latest.values() if c.state == "running" and c.sandbox_id == sandbox.id]
        specs = [(container, container_by_name(self.pod, container.name)) for container in running]
        return [
            Target(container_id=container.id, spec=spec, ip=ips[0] if ips else "", started=container.started)
            for container, spec in specs
            if spec is not None and container.id not in self.memory.hooks
        ]

    @property
    def probed(self) -> Mapping[tuple[str, str, str], int]:
        """Attempts of probes by container, probe and result."""
        return self._prober.counts

    @property
    def is_static(self) -> bool:
        """Whether the pod comes from elsewhere than the API."""
        return is_static(self.pod)

    def statistics(self) -> dict[str, Any]:
        return {"rounds": self.rounds, "stage": self.memory.stage, "tasks": self.owner.statistics()}


def is_sharper(known: Ending, wanted: Ending) -> bool:
    """Whether the new end comes clearly before the old one."""
    return wanted.since + wanted.grace < known.since + known.grace - 1.0


def differs(old: Any, new: Any) -> bool:
    """Whether anything but status and bookkeeping changed."""
    before, after = old.metadata, new.metadata
    return bool(
        old.spec != new.spec
        or before.labels != after.labels
        or before.annotations != after.annotations
        or before.deletionGracePeriodSeconds != after.deletionGracePeriodSeconds
        or gates(old) != gates(new)
    )


def gates(pod: Any) -> list[tuple[str, str]]:
    """The conditions that readiness gates look at."""
    wanted = {gate.conditionType for gate in pod.spec.readinessGates or ()}
    conditions = (pod.status.conditions if pod.status else None) or ()
    return [(condition.type, condition.status) for condition in conditions if condition.type in wanted]
