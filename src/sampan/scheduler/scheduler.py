"""The scheduler: watches nodes and pods, decides, binds.

One task takes pods from the queue and decides on them, one after the other, without waiting for anything in between;
bindings and reports go out on their own. Everything it knows can be read from the API server again, so a restart
loses nothing: pods without a node are queued, nominations stand in their status.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Collection, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sampan.aio.clock import Clock
from sampan.aio.tasks import TaskOwner
from sampan.api.kinds import core_v1, policy_v1
from sampan.client.events import EventRecorder
from sampan.client.informer import Informer
from sampan.client.interface import Client
from sampan.scheduler import views
from sampan.scheduler.binding import Binder
from sampan.scheduler.book import DEFAULT_SCHEDULER, Book
from sampan.scheduler.budgets import Budget
from sampan.scheduler.census import Identity
from sampan.scheduler.decision import Decider, Refused
from sampan.scheduler.hints import concerns
from sampan.scheduler.metrics import Metrics
from sampan.scheduler.needs import Needs
from sampan.scheduler.nodetable import NodeTable
from sampan.scheduler.outbox import Outbox
from sampan.scheduler.preemption import WAITING, Plan, Preemption
from sampan.scheduler.queue import PARKED_SECONDS, SchedulingQueue
from sampan.scheduler.records import NOWHERE, PodRecord
from sampan.scheduler.report import SCHEDULER_ERROR, Reporter

log = logging.getLogger(__name__)

BINDINGS_AT_ONCE = 32
BINDINGS_IN_LINE = 128
REPORTS_AT_ONCE = 4
REPORTS_IN_LINE = 1024
EVENTS_IN_LINE = 16384
PODS_A_TURN = 16
"""Pods decided on before other tasks may run."""
FLUSH_SECONDS = 30.0

Moved = tuple[Identity, Needs]


class Scheduler:
    """`names` are the spec.schedulerName values of the pods to place. Run it until cancelled."""

    def __init__(
        self,
        *,
        client: Client,
        clock: Clock,
        rng: random.Random,
        names: Collection[str] = (DEFAULT_SCHEDULER,),
        host: str = "",
    ) -> None:
        self._client = client
        self._clock = clock
        self._rng = rng
        self._names = names
        self._host = host
        self._build()

    def _build(self) -> None:
        """Everything the scheduler knows and runs on, empty."""
        client, clock, rng = self._client, self._clock, self._rng
        self._happened = asyncio.Event()
        self.metrics = Metrics()
        self.queue = SchedulingQueue(clock)
        self.table = NodeTable()
        self.book = Book(self.table, self.queue, self._names, self._happened.set)
        self._decider = Decider(self.table, rng)
        self._budgets: dict[str, Budget] = {}
        self._preemption = Preemption(self._decider, rng, lambda: list(self._budgets.values()))
        self._bindings = Outbox("binding", width=BINDINGS_AT_ONCE, length=BINDINGS_IN_LINE)
        self._reports = Outbox("report", width=REPORTS_AT_ONCE, length=REPORTS_IN_LINE)
        self._recorder = EventRecorder(client, DEFAULT_SCHEDULER, self._host, clock, rng, queue=EVENTS_IN_LINE)
        self._reporter = Reporter(client=client, clock=clock, rng=rng, recorder=self._recorder, outbox=self._reports)
        self._binder = Binder(
            client=client,
            clock=clock,
            rng=rng,
            book=self.book,
            recorder=self._recorder,
            done=self._bound,
            failed=self._binding_failed,
        )
        self._informers = [
            self._informer(core_v1.Namespace, self.book.on_namespace),
            self._informer(views.Node, self.book.on_node),
            self._informer(policy_v1.PodDisruptionBudget, self._on_budget),
            self._informer(views.Pod, self.book.on_pod),
        ]
        self._ran = False

    async def run(self) -> None:
        """Schedules until cancelled; run again, it begins anew with what the API server says."""
        if self._ran:
            self._build()
        self._ran = True
        async with TaskOwner("scheduler", clock=self._clock) as owner:
            try:
                for informer in self._informers:
                    owner.start(informer.run, name=f"informer {informer.kind_name()}")
                owner.start(partial(self._begin, owner), name="begin")
                await owner.wait()
            finally:
                await self._recorder.close()

    async def _begin(self, owner: TaskOwner) -> None:
        """Starts deciding once everything is known."""
        for informer in self._informers:
            await informer.synced()
        log.info("scheduler ready nodes=%d pods=%d", self.table.count, len(self.book.records))
        self._bindings.start(owner)
        self._reports.start(owner)
        owner.start(self._decide, name="decide")
        owner.start(self._requeue, name="requeue")
        owner.start(self._flush, name="flush")

    def statistics(self) -> dict[str, Any]:
        """Counts of what is known, waiting, on its way and done."""
        self.metrics.sizes(self.queue.statistics(), nodes=self.table.count, pods=len(self.book.records))
        return {
            "nodes": self.table.count,
            "pods": len(self.book.records),
            "needs": len(self.book.catalog),
            "queue": self.queue.statistics(),
            "bindings": self._bindings.statistics(),
            "reports": self._reports.statistics(),
            "events": self._recorder.statistics(),
            "attempts": self.metrics.statistics(),
        }

    def _informer(self, kind: Any, handler: Any) -> Informer[Any]:
        informer: Informer[Any] = Informer(self._client, kind, self._clock, self._rng)
        informer.add_handler(handler)
        return informer

    def _on_budget(self, old: Any, new: Any) -> None:
        meta = (new or old).metadata
        key = f"{meta.namespace}/{meta.name}"
        if new is None:
            self._budgets.pop(key, None)
        else:
            self._budgets[key] = Budget.of(new)

    async def _decide(self) -> None:
        while True:
            await self.queue.ready()
            await self._bindings.room()
            for _ in range(PODS_A_TURN):
                pod = self.queue.pop()
                if pod is None:
                    break
                self._attempt(pod)
            await self._clock.sleep(0)

    async def _requeue(self) -> None:
        """Wakes pods that what has happened may help."""
        while True:
            await self._happened.wait()
            self._happened.clear()
            rows = np.array(sorted(self.book.freed), np.intp)
            moved = list(self.book.moved)
            self.book.freed.clear()
            self.book.moved.clear()
            for row in rows.tolist():
                self._wake_nominated(row)
            for group, pod in self.queue.groups():
                if self._may_help(pod, group.key, rows, moved):
                    self.queue.wake(group)
            await self._clock.sleep(0)

    async def _flush(self) -> None:
        """The safety net: whatever has been parked for long is tried again."""
        while True:
            await self._clock.sleep(FLUSH_SECONDS)
            self.queue.wake_parked_since(self._clock.monotonic() - PARKED_SECONDS)

    def _wake_nominated(self, row: int) -> None:
        for pod in list(self.table.pods[row].values()):
            if pod.hold == "nominated":
                self.queue.wake_alone(pod)

    def _may_help(self, pod: PodRecord, likes: Any, rows: NDArray[np.intp], moved: list[Moved]) -> bool:
        """Whether room in these rows, or those pods coming or going, could let a parked pod in."""
        if likes is pod.needs:
            return bool(len(rows)) and bool(self._decider.fits(pod, rows).any())
        if len(rows) and self._decider.evaluation(pod).feasible(rows).any():
            return True
        return any(concerns(pod, identity, needs, self.table.census) for identity, needs in moved)

    def _attempt(self, pod: PodRecord) -> None:
        started = self._clock.monotonic()
        nominee = pod.row if pod.hold == "nominated" else NOWHERE
        if nominee != NOWHERE:
            self.table.remove_pod(pod)
            pod.hold = "none"
        if nominee != NOWHERE and self._decider.fits(pod, np.array([nominee]))[0]:
            answer: int | Refused = nominee
        else:
            answer = self._decider.decide(pod)
        if isinstance(answer, Refused):
            self._refused(pod, answer)
            self._give_up(nominee, kept=pod.row)
            self.metrics.attempt("unschedulable", self._clock.monotonic() - started)
        else:
            self._place(pod, answer)
            self._give_up(nominee, kept=answer)
            self.metrics.attempt("scheduled", self._clock.monotonic() - started)

    def _give_up(self, nominee: int, *, kept: int) -> None:
        """A pod that had a row reserved for it no longer needs it: others may."""
        if nominee not in (NOWHERE, kept):
            self.book.freed.add(nominee)
            self._happened.set()

    def _place(self, pod: PodRecord, row: int) -> None:
        """Assumes the pod in the row and sends the binding."""
        node, facts = self.table.names[row], self.table.facts[row]
        assert facts is not None
        self.book.hold(pod, node, "assumed")
        self.queue.settled(pod)
        self._bindings.put(partial(self._binder.bind, pod, node, facts.uid))

    def _refused(self, pod: PodRecord, refused: Refused) -> None:
        if not refused.nodes:
            self._reporter.failed(pod, refused.message, nominated="")
            self.queue.park(pod, self._likes(pod))
            return
        plan = self._preemption.plan(pod, refused)
        if isinstance(plan, Plan):
            self._preempt(pod, plan, refused)
        elif plan == WAITING:
            self.book.hold(pod, pod.nominated, "nominated")
            self._reporter.failed(pod, f"{refused.message} preemption: {plan}")
            self.queue.park_alone(pod)
        else:
            self._reporter.failed(pod, f"{refused.message} preemption: {plan}", nominated="")
            self.queue.park(pod, self._likes(pod))

    def _likes(self, pod: PodRecord) -> Any:
        """What the pod's prospects depend on: pods that share it wait together."""
        return (pod.needs, pod.identity) if self._decider.looks_elsewhere(pod) else pod.needs

    def _preempt(self, pod: PodRecord, plan: Plan, refused: Refused) -> None:
        node = self.table.names[plan.row]
        running = [victim for victim in plan.victims if victim.hold != "nominated"]
        for victim in plan.victims:
            if victim.hold == "nominated":
                self.book.release(victim)
                self.queue.wake_alone(victim)
        if not running:
            self._place(pod, plan.row)
            return
        log.info("preempting pod=%s node=%s victims=%s", pod.key, node, [victim.key for victim in running])
        self.metrics.preempted(len(running))
        self.book.hold(pod, node, "nominated")
        self.queue.park_alone(pod)
        victims = [victim for victim in running if not victim.terminating]
        self._reporter.failed(pod, refused.message, nominated=node, then=partial(self._evict, victims, pod, node))

    def _evict(self, victims: Sequence[PodRecord], pod: PodRecord, node: str) -> None:
        """Done once the nomination can be read: a scheduler that is started anew does not make room elsewhere too."""
        if pod.hold == "nominated" and pod.node == node:
            for victim in victims:
                self._bindings.put(partial(self._binder.evict, victim, pod, node))

    def _bound(self, pod: PodRecord) -> None:
        self.metrics.bound(self._clock.monotonic() - pod.queued)

    def _binding_failed(self, pod: PodRecord, message: str) -> None:
        """Takes an assumed pod back."""
        self.metrics.error()
        self.book.release(pod)
        self._reporter.failed(pod, message, reason=SCHEDULER_ERROR)
        self.queue.fault(pod)
