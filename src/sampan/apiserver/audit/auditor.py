"""Opens a record for each request of which the policy wants something written, and counts what was."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from sampan.aio.backoff import Backoff
from sampan.aio.clock import Clock
from sampan.aio.tasks import TaskOwner
from sampan.api.errors import ApiError
from sampan.apiserver import exposition
from sampan.apiserver.audit import event, policy, sinks, webhook
from sampan.apiserver.audit.log import COMPLAIN_SECONDS, STANDARD_OUTPUT, FileLog, OutputLog
from sampan.apiserver.audit.options import BATCH, STRICT, AuditOptions
from sampan.apiserver.audit.policy import WORDS, Level, Policy
from sampan.apiserver.audit.record import Record
from sampan.apiserver.audit.sinks import Batches, Direct, LogDelivery, Sink, Waiting
from sampan.apiserver.auth.authorizer import Attributes
from sampan.apiserver.auth.user import User
from sampan.apiserver.http.exchange import Answer, Response

if TYPE_CHECKING:
    from sampan.apiserver.request import Request

log = logging.getLogger(__name__)
LOG, WEBHOOK = "log", "webhook"
Lost = Callable[[str, int, OSError], None]
Outcome = asyncio.Task[ApiError | None]


def configured(options: AuditOptions, clock: Clock, rng: random.Random) -> Auditor | None:
    """None without a policy, and without a log or a webhook. Raises ValueError for a policy or a kubeconfig that will
    not do, OSError for the log.
    """
    if options.policy is None or (options.path is None and options.webhook is None):
        return None
    auditor = Auditor(policy.read(options.policy), clock, rng)
    if options.path is not None:
        auditor.add(_of_log(options, clock, auditor.lost))
    if options.webhook is not None:
        auditor.add(_of_webhook(options, clock, rng, auditor.lost))
    return auditor


def _of_log(options: AuditOptions, clock: Clock, lost: Lost) -> Sink:
    log = OutputLog() if str(options.path) == STANDARD_OUTPUT else FileLog(options, clock)
    delivery = options.log
    if delivery.mode == BATCH:
        return Batches(LOG, LogDelivery(log), delivery, clock, lost)
    return Direct(LOG, log, delivery, strict=delivery.mode == STRICT)


def _of_webhook(options: AuditOptions, clock: Clock, rng: random.Random, lost: Lost) -> Sink:
    assert options.webhook is not None
    hook = webhook.configured(options.webhook, clock=clock, rng=rng, first_pause=options.initial_backoff_seconds)
    delivery = options.webhook_delivery
    if delivery.mode == BATCH:
        return Batches(WEBHOOK, hook, delivery, clock, lost)
    return Waiting(WEBHOOK, hook, delivery, strict=delivery.mode == STRICT)


class Auditor:
    """One per server; `sinks` take the events."""

    def __init__(self, rules: Policy, clock: Clock, rng: random.Random, *sinks: Sink) -> None:
        self.clock = clock
        self._rules = rules
        self._sinks = list(sinks)
        self._tasks = TaskOwner("audit", clock=clock, backoff=Backoff(base=1.0, cap=60.0, rng=rng))
        self._levels = dict.fromkeys(WORDS.values(), 0)
        self._failed: Counter[str] = Counter()
        self._written = self._rejected = 0
        self._complained = -COMPLAIN_SECONDS

    def add(self, sink: Sink) -> None:
        self._sinks.append(sink)

    def start(self) -> None:
        """What goes on beside the requests."""
        for sink in self._sinks:
            self._tasks.start(sink.run, name=sink.name, policy="restart")

    def open(self, request: Request, user: User | None, asked: Attributes) -> Record | None:
        """A record, None where nothing is to be written."""
        verdict = self._rules.judge(user, asked)
        self._levels[WORDS[verdict.level]] += 1
        return Record(self, request, asked, verdict) if verdict.level is not Level.NONE else None

    def answered(self, request: Request, answer: Answer, asked: Attributes) -> Answer | Awaitable[Answer]:
        """The answer, at whose end the record of its request is complete."""
        if request.record is not None:
            answer = request.record.answered(answer)
            waiting = request.record.settled()
            return answer if waiting is None else _after(waiting, answer)
        if request.user is None and isinstance(answer, Response):
            record = self.open(request, None, asked)
            if record is not None:
                record.refused(answer, event.shown_credentials(request.exchange))
        return answer

    def write(self, told: dict[str, Any], *, strict: bool) -> Outcome | None:
        """What to wait for, if anything: it gives None, or why the request must not go on. Raises ApiError 500 for a
        `strict` event that cannot be written, where that was asked for.
        """
        made = sinks.event(told)
        outcome: Outcome | None = None
        for sink in self._sinks:
            try:
                waiting = sink.write(made)
            except OSError as error:
                if failure := self._failure(sink, error, strict=strict):
                    raise failure from None
                continue
            if waiting is not None:
                outcome = self._tasks.start(partial(self._awaited, sink, waiting, strict=strict), name="event")
            self._written += sink is self._sinks[0]
        return outcome

    async def close(self) -> None:
        await self._tasks.close()
        for sink in self._sinks:
            await sink.close()

    def lost(self, name: str, count: int, error: OSError) -> None:
        """So many events did not come where they belong."""
        self._failed[name] += count
        now = self.clock.monotonic()
        if now - self._complained >= COMPLAIN_SECONDS:
            self._complained = now
            log.error("audit %s cannot be written events_lost=%d problem=%s", name, self._failed[name], error)

    async def _awaited(self, sink: Sink, waiting: Awaitable[None], *, strict: bool) -> ApiError | None:
        try:
            await waiting
        except OSError as error:
            return self._failure(sink, error, strict=strict)
        return None

    def _failure(self, sink: Sink, error: OSError, *, strict: bool) -> ApiError | None:
        self.lost(sink.name, 1, error)
        if not (strict and sink.strict):
            return None
        self._rejected += 1
        return ApiError("Internal error occurred: audit log", code=500, reason="InternalError")

    def lines(self) -> Iterator[str]:
        """Upstream's counters, as Prometheus text."""
        of_levels = {f'level="{word}"': count for word, count in self._levels.items() if count}
        failed = {f'plugin="{name}"': count for name, count in self._failed.items()}
        yield from exposition.counts("apiserver_audit_event_total", "counter", "Events written.", {"": self._written})
        yield from exposition.counts("apiserver_audit_level_total", "counter", "Requests by level.", of_levels)
        yield from exposition.counts("apiserver_audit_error_total", "counter", "Events not written.", failed)
        yield from exposition.counts(
            "apiserver_audit_requests_rejected_total", "counter", "Requests refused for it.", {"": self._rejected}
        )


async def _after(waiting: Awaitable[None], answer: Answer) -> Answer:
    with contextlib.suppress(ApiError):  # it is done: an answer that says otherwise would be a lie
        await waiting
    return answer
