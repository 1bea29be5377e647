"""Probes: the arithmetic of thresholds (pure), and the probes of one pod's running containers.

A startup probe holds the others back until it has succeeded once. Readiness starts out as not ready, liveness and
startup as nothing known. A probe that has failed `failureThreshold` times in a row, or succeeded `successThreshold`
times, changes its result; in between the result stays. A container that has failed its liveness or startup probe is
not asked again: another instance takes its place. What could not be asked counts for nothing, so that a runtime that
is away restarts no container. ("Configure Liveness, Readiness and Startup Probes"; upstream's prober.)
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from sampan.aio.clock import Clock
from sampan.kubelet.asking import Target, ask
from sampan.kubelet.handlers import Answer, Handlers, Unanswered
from sampan.kubelet.memory import ProbeResults
from sampan.kubelet.probeschedule import Entry, ProbeSchedule

Which = Literal["startup", "readiness", "liveness"]
FIELDS: dict[Which, str] = {"startup": "startupProbe", "readiness": "readinessProbe", "liveness": "livenessProbe"}
FIRST: tuple[Which, ...] = ("startup",)
AFTER_START: tuple[Which, ...] = ("readiness", "liveness")
PERIOD = 10.0
Tell = Callable[[Any, str, str], None]


@dataclass(slots=True, kw_only=True)
class Threshold:
    """Counts equal answers in a row; `record` gives the result once enough have come, else None."""

    success: int = 1
    failure: int = 3
    last: bool | None = None
    count: int = 0

    def record(self, ok: bool) -> bool | None:
        self.count = self.count + 1 if ok == self.last else 1
        self.last = ok
        enough = self.count >= (self.success if ok else self.failure)
        return ok if enough else None


@dataclass(slots=True, kw_only=True)
class Probe:
    """One probe of one container instance; `due` is of the clock's monotonic time."""

    which: Which
    target: Target
    threshold: Threshold
    due: float
    entry: Entry | None = None

    @property
    def spec(self) -> Any:
        return getattr(self.target.spec, FIELDS[self.which])

    @property
    def period(self) -> float:
        return float(self.spec.periodSeconds or PERIOD)


class Prober:
    """Asks the probes of one pod's containers and writes their results where the pod's decisions look.

    `changed` is called when a result changed; `tell(spec, reason, message)` after what is worth an event.
    """

    def __init__(
        self,
        handlers: Handlers,
        clock: Clock,
        rng: random.Random,
        schedule: ProbeSchedule,
        *,
        results: dict[str, ProbeResults],
        changed: Callable[[], None],
        tell: Tell,
    ) -> None:
        self._handlers = handlers
        self._clock = clock
        self._rng = rng
        self._schedule = schedule
        self._results = results
        self._changed = changed
        self._tell = tell
        self._probes: dict[str, list[Probe]] = {}
        self.counts: Counter[tuple[str, str, str]] = Counter()
        """Attempts by container, probe and result."""
        self._ending: set[str] = set()

    def watch(self, targets: list[Target], ending: set[str] | None = None) -> None:
        """Probes exactly these from now on; those in `ending` for readiness alone."""
        self._ending = ending or set()
        wanted = {target.container_id: target for target in targets if has_probes(target.spec)}
        for gone in self._probes.keys() - wanted.keys():
            for probe in self._probes.pop(gone):
                if probe.entry is not None:
                    probe.entry.cancel()
            self._results.pop(gone, None)
        for container_id in wanted.keys() - self._probes.keys():
            self._begin(wanted[container_id])

    def close(self) -> None:
        self.watch([])

    def _begin(self, target: Target) -> None:
        results = self._results.setdefault(target.container_id, ProbeResults())
        self._probes[target.container_id] = []
        starting = target.spec.startupProbe is not None and not results.startup
        for which in FIRST if starting else AFTER_START:
            self._add(which, target)

    def _add(self, which: Which, target: Target) -> None:
        spec = getattr(target.spec, FIELDS[which])
        if spec is None:
            return
        threshold = Threshold(success=spec.successThreshold or 1, failure=spec.failureThreshold or 3)
        probe = Probe(which=which, target=target, threshold=threshold, due=self._first_due(spec, target))
        self._probes[target.container_id].append(probe)
        self._schedule_next(probe)

    def _first_due(self, spec: Any, target: Target) -> float:
        """After its initial delay; the probes that a new kubelet takes over are spread over their periods."""
        now = self._clock.now()
        wait = max(target.started + float(spec.initialDelaySeconds or 0) - now, 0.0)
        if target.started and target.started < self._schedule.began:
            wait += self._rng.random() * float(spec.periodSeconds or PERIOD)
        return self._clock.monotonic() + wait

    def _schedule_next(self, probe: Probe) -> None:
        probe.entry = self._schedule.at(probe.due, lambda: self._attempt(probe))

    async def _attempt(self, probe: Probe) -> None:
        if probe.which != "readiness" and probe.target.container_id in self._ending:
            return
        if self._record(probe, await self._ask(probe)):
            # From due time to due time, so that a slow answer does not shift the rhythm.
            probe.due = max(probe.due + probe.period, self._clock.monotonic())
            self._schedule_next(probe)

    async def _ask(self, probe: Probe) -> Answer | None:
        """None when the container could not be asked."""
        spec, title = probe.target.spec, probe.which.capitalize()
        try:
            answer = await ask(self._handlers, probe.spec, probe.target)
        except Unanswered as error:
            self.counts[spec.name, probe.which, "unknown"] += 1
            self._tell(spec, "Unhealthy", f"{title} probe errored and resulted in unknown state: {error}")
            return None
        self.counts[spec.name, probe.which, "successful" if answer.ok else "failed"] += 1
        if not answer.ok:
            self._tell(spec, "Unhealthy", f"{title} probe failed: {answer.text}")
        elif answer.warning:
            self._tell(spec, "ProbeWarning", f"{title} probe warning: {answer.text}")
        return answer

    def _record(self, probe: Probe, answer: Answer | None) -> bool:
        """Counts an answer; returns whether the probe goes on."""
        result = probe.threshold.record(answer.ok) if answer is not None else None
        if result is None:
            return True
        self._note(probe.target.container_id, probe.which, result)
        if probe.which == "startup" and result:
            for which in AFTER_START:
                self._add(which, probe.target)
            return False
        return result or probe.which == "readiness"

    def _note(self, container_id: str, which: Which, result: bool) -> None:
        """Writes a result down, and says so if it is new."""
        results = self._results.get(container_id)
        if results is not None and getattr(results, which) != result:
            setattr(results, which, result)
            self._changed()


def has_probes(spec: Any) -> bool:
    return any(getattr(spec, field) is not None for field in FIELDS.values())
