"""Opens a record for each request of which the policy wants something written, and counts what was."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sampan.aio.clock import Clock
from sampan.api.errors import ApiError
from sampan.apiserver import exposition
from sampan.apiserver.audit import event, policy
from sampan.apiserver.audit.log import COMPLAIN_SECONDS, STANDARD_OUTPUT, FileLog, Log, OutputLog
from sampan.apiserver.audit.options import AuditOptions
from sampan.apiserver.audit.policy import WORDS, Level, Policy
from sampan.apiserver.audit.record import Record
from sampan.apiserver.auth.authorizer import Attributes
from sampan.apiserver.auth.user import User
from sampan.apiserver.http.exchange import Answer, Response

if TYPE_CHECKING:
    from sampan.apiserver.request import Request

log = logging.getLogger(__name__)
LOG = 'plugin="log"'


def configured(options: AuditOptions, clock: Clock) -> Auditor | None:
    """None without a policy and a log. Raises ValueError for a policy that will not do, OSError for the log."""
    if options.policy is None or options.path is None:
        return None
    rules = policy.read(options.policy)
    sink = OutputLog() if str(options.path) == STANDARD_OUTPUT else FileLog(options.path, options, clock)
    return Auditor(rules, sink, clock, strict=options.strict)


class Auditor:
    """One per server."""

    def __init__(self, rules: Policy, sink: Log, clock: Clock, *, strict: bool = False) -> None:
        self.clock = clock
        self._rules = rules
        self._log = sink
        self._strict = strict
        self._levels = dict.fromkeys(WORDS.values(), 0)
        self._written = self._failed = self._rejected = 0
        self._complained = -COMPLAIN_SECONDS

    def open(self, request: Request, user: User | None, asked: Attributes) -> Record | None:
        """A record, None where nothing is to be written."""
        verdict = self._rules.judge(user, asked)
        self._levels[WORDS[verdict.level]] += 1
        return Record(self, request, asked, verdict) if verdict.level is not Level.NONE else None

    def answered(self, request: Request, answer: Answer, asked: Attributes) -> Answer:
        """The answer, at whose end the record of its request is complete."""
        if request.record is not None:
            return request.record.answered(answer)
        if request.user is None and isinstance(answer, Response):
            record = self.open(request, None, asked)
            if record is not None:
                record.refused(answer, event.shown_credentials(request.exchange))
        return answer

    def write(self, line: bytes, *, strict: bool) -> None:
        """Raises ApiError 500 for a `strict` line that cannot be written, where that was asked for."""
        try:
            self._log.write(line)
            self._written += 1
        except OSError as error:
            self._failed += 1
            self._complain(error)
            if strict and self._strict:
                self._rejected += 1
                raise ApiError("Internal error occurred: audit log", code=500, reason="InternalError") from None

    def close(self) -> None:
        self._log.close()

    def lines(self) -> Iterator[str]:
        """Upstream's counters, as Prometheus text."""
        of_levels = {f'level="{word}"': count for word, count in self._levels.items() if count}
        failed = {LOG: self._failed} if self._failed else {}
        yield from exposition.counts("apiserver_audit_event_total", "counter", "Events written.", {"": self._written})
        yield from exposition.counts("apiserver_audit_level_total", "counter", "Requests by level.", of_levels)
        yield from exposition.counts("apiserver_audit_error_total", "counter", "Events not written.", failed)
        yield from exposition.counts(
            "apiserver_audit_requests_rejected_total", "counter", "Requests refused for it.", {"": self._rejected}
        )

    def _complain(self, error: OSError) -> None:
        now = self.clock.monotonic()
        if now - self._complained >= COMPLAIN_SECONDS:
            self._complained = now
            log.error("audit log cannot be written events_lost=%d problem=%s", self._failed, error)
