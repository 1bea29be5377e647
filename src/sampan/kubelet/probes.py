"""Probes: the arithmetic of thresholds (pure), and a task for each probe of each running container.

A startup probe holds the others back until it has succeeded once. Readiness starts out as not ready, liveness and
startup as nothing known. A probe that has failed `failureThreshold` times in a row, or succeeded `successThreshold`
times, changes its result; in between the result stays ("Configure Liveness, Readiness and Startup Probes").
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from sampan.aio.clock import Clock
from sampan.aio.tasks import TaskOwner
from sampan.kubelet.handlers import Answer, Handlers
from sampan.kubelet.memory import ProbeResults

log = logging.getLogger(__name__)
Which = Literal["startup", "readiness", "liveness"]
FIELDS: dict[Which, str] = {"startup": "startupProbe", "readiness": "readinessProbe", "liveness": "livenessProbe"}


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One container instance to probe: its id, its spec and the address its ports answer at."""

    container_id: str
    spec: Any
    ip: str


class Prober:
    """Runs the probes of one pod's containers and writes their results where the pod's decisions look.

    `changed` is called when a result changed; `unhealthy(spec, which, message)` after each failed attempt.
    """

    def __init__(
        self,
        handlers: Handlers,
        clock: Clock,
        rng: random.Random,
        *,
        results: dict[str, ProbeResults],
        changed: Callable[[], None],
        unhealthy: Callable[[Any, Which, str], None],
    ) -> None:
        self._handlers = handlers
        self._clock = clock
        self._rng = rng
        self._results = results
        self._changed = changed
        self._unhealthy = unhealthy
        self._owners: dict[str, TaskOwner] = {}
        self._ending: set[str] = set()

    async def watch(self, targets: list[Target], ending: set[str] | None = None) -> None:
        """Probes exactly these from now on; those in `ending` for readiness alone."""
        self._ending = ending or set()
        wanted = {target.container_id: target for target in targets if has_probes(target.spec)}
        for gone in self._owners.keys() - wanted.keys():
            await self._owners.pop(gone).close()
            self._results.pop(gone, None)
        for container_id in wanted.keys() - self._owners.keys():
            self._begin(wanted[container_id])

    async def close(self) -> None:
        await self.watch([])

    def _begin(self, target: Target) -> None:
        results = self._results.setdefault(target.container_id, ProbeResults())
        owner = self._owners[target.container_id] = TaskOwner(f"probes {target.container_id[:12]}")
        starting = target.spec.startupProbe is not None and not results.startup
        first: list[Which] = ["startup"] if starting else ["readiness", "liveness"]
        for which in first:
            self._start(owner, which, target)

    def _start(self, owner: TaskOwner, which: Which, target: Target) -> None:
        probe = getattr(target.spec, FIELDS[which])
        if probe is not None:
            owner.start(lambda: self._run(owner, which, probe, target), name=which, policy="log")

    async def _run(self, owner: TaskOwner, which: Which, probe: Any, target: Target) -> None:
        period = float(probe.periodSeconds or 10)
        threshold = Threshold(success=probe.successThreshold or 1, failure=probe.failureThreshold or 3)
        await self._clock.sleep(float(probe.initialDelaySeconds or 0))
        due = self._clock.monotonic()
        while which == "readiness" or target.container_id not in self._ending:
            ok, text = await ask(self._handlers, probe, target)
            if not ok:
                self._unhealthy(target.spec, which, f"{which.capitalize()} probe failed: {text}")
            result = threshold.record(ok)
            if result is not None and self._note(target.container_id, which, result) and which == "startup" and result:
                self._start(owner, "readiness", target)
                self._start(owner, "liveness", target)
                return
            # From due time to due time, so that a slow answer does not shift the rhythm.
            due = max(due + period, self._clock.monotonic())
            await self._clock.sleep(due - self._clock.monotonic())

    def _note(self, container_id: str, which: Which, result: bool) -> bool:
        """Writes a result down; returns whether it is new."""
        results = self._results.get(container_id)
        if results is None or getattr(results, which) == result:
            return False
        setattr(results, which, result)
        self._changed()
        return True


def has_probes(spec: Any) -> bool:
    return any(getattr(spec, field) is not None for field in FIELDS.values())


async def ask(handlers: Handlers, action: Any, target: Target, timeout: float | None = None) -> Answer:
    """Carries out the action of a probe (or of a lifecycle hook, which gives its own timeout)."""
    seconds = float(action.timeoutSeconds or 1) if timeout is None else timeout
    if action.exec is not None:
        return await handlers.exec(target.container_id, action.exec.command or [], seconds)
    if action.httpGet is not None:
        return await ask_http(handlers, action.httpGet, target, seconds)
    if action.tcpSocket is not None:
        port = port_number(action.tcpSocket.port, target.spec)
        return await handlers.tcp(action.tcpSocket.host or target.ip, port, seconds)
    if getattr(action, "grpc", None) is not None:
        return await handlers.grpc(target.ip, action.grpc.port, action.grpc.service or "", seconds)
    return True, ""


async def ask_http(handlers: Handlers, get: Any, target: Target, seconds: float) -> Answer:
    host = get.host or target.ip
    host = f"[{host}]" if ":" in host else host
    path = get.path or "/"
    scheme = (get.scheme or "HTTP").lower()
    url = f"{scheme}://{host}:{port_number(get.port, target.spec)}{path if path.startswith('/') else '/' + path}"
    return await handlers.http(url, [(header.name, header.value or "") for header in get.httpHeaders or ()], seconds)


def port_number(port: int | str, spec: Any) -> int:
    """A port by number, or by the name of one of the container's; 0 when there is none of that name."""
    if isinstance(port, int) or port.isdigit():
        return int(port)
    return next((known.containerPort for known in spec.ports or () if known.name == port), 0)
