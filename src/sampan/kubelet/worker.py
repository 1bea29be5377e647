"""One pod's worker: looks, decides, acts, until there is nothing to do; then sleeps until woken.

All changes to a pod are made by its one worker, one after the other, so no two can meet. What takes long (a pull, a
hook, waiting for a container to stop) runs beside it as a task of the worker and wakes it at the end; what it found is
in the memory. A failure is noted there too, with the time to try again, and shows in the pod's status; nothing a pod
does can stop its worker.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from sampan.aio.tasks import TaskOwner
from sampan.cri.errors import RuntimeFailure, RuntimeUnavailable
from sampan.kubelet.actions import Action
from sampan.kubelet.containerconfig import pod_log_folder
from sampan.kubelet.context import NodeContext
from sampan.kubelet.decide import decide
from sampan.kubelet.endings import Endings
from sampan.kubelet.memory import Ending, Memory
from sampan.kubelet.news import is_news
from sampan.kubelet.observed import Observed
from sampan.kubelet.observer import Observer, killed_before
from sampan.kubelet.phase import TERMINAL
from sampan.kubelet.podadmission import Rejection
from sampan.kubelet.podprobes import PodProbes
from sampan.kubelet.reporter import Reporter
from sampan.kubelet.resize.allocation import Allocation
from sampan.kubelet.resize.amounts import snapshot
from sampan.kubelet.static.marks import is_static
from sampan.kubelet.stats import cgroupfiles
from sampan.kubelet.steps.table import Steps
from sampan.kubelet.toldends import ToldEnds
from sampan.kubelet.watcher import Subscriber
from sampan.volumes.interface import Made

log = logging.getLogger(__name__)
STEPS_PER_ROUND = 50
RUNTIME_RETRY = 1.0
RUNTIME_AWAY = 10.0


class PodWorker:
    def __init__(self, pod: Any, context: NodeContext) -> None:
        self.uid = pod.metadata.uid
        self.wanted = pod
        """As the API has it; `pod` is as this node runs it, with the resources that are allocated."""
        self.allocation = Allocation(pod, context.config.root / "pods" / self.uid)
        self.pod = self.allocation.applied(pod)
        self.memory = Memory(actuated=self.allocation.actuated)
        self.finished = False
        self.over = asyncio.Event()
        """Set once the pod has ended, or was ended, and nothing of it runs."""
        self.rounds = 0
        self.owner = TaskOwner(f"pod {pod.metadata.namespace}/{pod.metadata.name}")
        self._context = context
        self.observer = Observer(
            context.runtime,
            self.uid,
            pod_log_folder(pod, context.config.log_root),
            kills=lambda: cgroupfiles.kills(context.cgroups.tree, context.cgroups.name(pod)),
            killed=killed_before(pod),
        )
        self._wake = asyncio.Event()
        self._unseen = True
        """The runtime may have of the pod what was not seen yet: anything, not only ends that were told of."""
        self._told_ends = ToldEnds()
        self._steps = Steps(self, context)
        self.tell = self._steps.tell
        """Makes an event on the pod ("") or on one of its containers, by its name."""
        self._reporter = Reporter(self, context, self.tell)
        self.mirrored = self._reporter.mirrored
        self._probes = PodProbes(self, context, self.tell)
        self._endings = Endings(
            self,
            context.clock,
            known_pod=self._reporter.known_pod,
            tell=self.tell,
            interrupt_stops=self._steps.interrupt_stops,
        )
        self.or_ending = self._endings.unless

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
        if is_news(old, pod):
            self._steps.pod_changed()
            self._endings.note()
            self.wake()

    def reallocate(self) -> None:
        """Allocates what the pod asks for, if it fits; notes why not. Again whenever something may have become free."""
        asked = snapshot(self.wanted)
        if asked == self.allocation.allocated or self.memory.ending is not None or self._reporter.phase() in TERMINAL:
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
        self._endings.note()
        self.wake()

    def wake(self) -> None:
        self._wake.set()

    def look_again(self) -> None:
        """What the runtime has of the pod is not what it was, or was not heard of for a while."""
        self._unseen = True
        self.wake()

    def ended(self, container_id: str) -> None:
        """The runtime says that this container or sandbox has ended; its lists may say so a little later.

        Of one that we are stopping the runtime's answer says so, and not too early.
        """
        if container_id not in self._steps.awaited:
            self._told_ends.add(container_id)
            self.wake()

    # The loop.

    async def run(self) -> None:
        """Returns when nothing is left of the pod."""
        self._context.watcher.subscribe(self.uid, Subscriber(wake=self.look_again, ended=self.ended))
        try:
            while not self.finished:
                self._wake.clear()
                wake_at = await self._round()
                if not self.finished:
                    await self._rest(wake_at)
        finally:
            self.over.set()
            self._context.watcher.unsubscribe(self.uid)
            self._probes.close()
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
        try:
            for _ in range(STEPS_PER_ROUND):
                self._endings.note()
                await self._look()
                pod, now = self._reporter.known_pod(), self._context.clock.now()
                plan = decide(pod, self.seen, self.memory, now, self._context.config.crash_backoff)
                self._reporter.report(pod, now, plan.actions)
                if not plan.actions:
                    return self._told_ends.soonest(plan.wake_at, self.seen, now)
                for action in plan.actions:
                    self._unseen |= not await self._act(action)
                if self.finished:
                    return None
            log.warning("a pod is never done pod=%s actions=%s", self.owner.name, plan.actions)
        except RuntimeUnavailable as error:
            # The watcher wakes everybody when it is back.
            log.debug("the runtime is away pod=%s error=%s", self.owner.name, error)
            self._unseen = True
            return self._context.clock.now() + RUNTIME_AWAY
        except RuntimeFailure as error:
            log.warning("the runtime refused pod=%s error=%s", self.owner.name, error)
        except Exception:
            # A mistake of ours in one pod must not take the others down, nor leave this one for ever.
            log.exception("a pod's worker failed pod=%s", self.owner.name)
        finally:
            self._context.instruments.rounds.labels(self._operation()).observe(self._context.clock.monotonic() - began)
        self._unseen = True
        return self._context.clock.now() + RUNTIME_RETRY

    def _operation(self) -> str:
        """What upstream calls such a round."""
        if self.memory.ending is not None:
            return "kill"
        return "create" if self.rounds == 1 else "sync"

    async def _look(self) -> None:
        """Looks at all of the pod when it must, else at those of its containers that are told to have ended."""
        if self._unseen or not await self.observer.refresh(self._told_ends.pending):
            self._unseen = False
            await self.observer.observe()
        ids = [*(c.id for c in self.seen.containers), *(s.id for s in self.seen.sandboxes)]
        self._context.watcher.belongs(ids, self.uid)
        self._probes.look()
        if self.is_over():
            self.over.set()

    async def _act(self, action: Action) -> bool:
        """Carries an action out; returns whether what came of it is in view without another look."""
        log.debug("acting pod=%s action=%s", self.owner.name, action)
        return await self._steps.do(action)

    # Its end.

    def evict(self, reason: str, message: str, grace: float, *, disruption: str = "") -> bool:
        """Ends the pod as failed although nobody asked for it; False when it is ending already."""
        if self.memory.ending is not None or self._reporter.phase() in TERMINAL:
            return False
        now = self._context.clock.now()
        self._endings.begin(
            Ending(since=now, grace=grace, phase="Failed", reason=reason, message=message, disruption=disruption)
        )
        return True

    def reject(self, rejection: Rejection) -> None:
        """Ends a pod that the node does not take, before anything of it has begun."""
        log.warning("a pod is not taken pod=%s why=%s", self.owner.name, rejection.message)
        self._endings.begin(
            Ending(
                since=self._context.clock.now(),
                grace=0.0,
                phase="Failed",
                reason=rejection.reason,
                message=f"Pod was rejected: {rejection.message}",
                rejected=True,
            )
        )
        self.tell("", "Warning", rejection.reason, rejection.message)

    def give_back(self) -> None:
        """The disk is short: an ended pod's containers and logs go, its status stays."""
        self.memory.space_needed = True
        self.wake()

    def is_over(self) -> bool:
        """Whether nothing of the pod runs any more, or soon will."""
        return (self.memory.ending is not None or self._reporter.phase() in TERMINAL) and not self.seen.any_alive

    def has_given_back(self) -> bool:
        """Whether its volumes are gone, too, and with them the memory or disk that they held."""
        return self.is_over() and self.memory.torn_down

    # What it tells others.

    @property
    def probed(self) -> Mapping[tuple[str, str, str], int]:
        """Attempts of probes by container, probe and result."""
        return self._probes.counts

    @property
    def volumes(self) -> Mapping[str, Made]:
        """The pod's volumes that are there, by name."""
        return self._steps.made if self.memory.volumes_ready and not self.memory.torn_down else {}

    @property
    def is_static(self) -> bool:
        """Whether the pod comes from elsewhere than the API."""
        return is_static(self.pod)

    def statistics(self) -> dict[str, Any]:
        return {"rounds": self.rounds, "stage": self.memory.stage, "tasks": self.owner.statistics()}
