"""The record of one request: what becomes known of it, and an event at each stage of its life.

`RequestReceived` once it is known who asks; `ResponseStarted` when a watch, a log or another stream begins to be
answered; `ResponseComplete` when all has been said or the client has gone; `Panic` when answering failed in a way that
nobody foresaw.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

import msgspec

from sampan.aio.clock import micro_timestamp
from sampan.apiserver.audit import event
from sampan.apiserver.audit.policy import COMPLETE, PANIC, RECEIVED, STARTED, WORDS, Level, Verdict
from sampan.apiserver.auth.authorizer import Attributes, Decision
from sampan.apiserver.auth.user import User
from sampan.apiserver.http.exchange import Answer, Response
from sampan.apiserver.longrunning import Once, watched_to_its_end

if TYPE_CHECKING:
    from sampan.apiserver.audit.auditor import Auditor, Outcome
    from sampan.apiserver.request import Request

LONG = frozenset({"attach", "exec", "log", "portforward", "proxy"})
DECISION, REASON = "authorization.k8s.io/decision", "authorization.k8s.io/reason"


class Record:
    """Of a request of which something is to be written."""

    __slots__ = (
        "_annotations",
        "_asked",
        "_auditor",
        "_impersonated",
        "_object",
        "_received",
        "_request",
        "_verdict",
        "_waiting",
    )

    def __init__(self, auditor: Auditor, request: Request, asked: Attributes, verdict: Verdict) -> None:
        self._auditor = auditor
        self._request = request
        self._asked = asked
        self._verdict = verdict
        self._received = micro_timestamp(auditor.clock.now())
        self._annotations: dict[str, str] = {}
        self._impersonated: tuple[User, User] | None = None
        self._object: Any = None
        self._waiting: list[Outcome] = []

    # what becomes known

    def annotate(self, name: str, value: str) -> None:
        """A word of a stage or a plugin; the first of a name counts."""
        self._annotations.setdefault(name, value)

    def decided(self, decision: Decision, reason: str) -> None:
        """What the authorizers say to the request itself."""
        self.annotate(DECISION, "allow" if decision is Decision.ALLOW else "forbid")
        self.annotate(REASON, reason)

    def impersonates(self, user: User, other: User) -> None:
        self._impersonated = user, other

    def sends(self, obj: Any) -> None:
        """The object of the request, decoded and with its defaults, as no plugin has touched it yet."""
        if self._object is None:
            kept = obj if self._verdict.level >= Level.REQUEST else type(obj)(metadata=obj.metadata)
            with contextlib.suppress(RecursionError):
                self._object = msgspec.to_builtins(kept)

    # events

    def received(self) -> None:
        """Raises ApiError where nothing may happen that is not written down."""
        self._write(self._told(RECEIVED), strict=True)

    def settled(self) -> Awaitable[None] | None:
        """To be awaited until all that was told is written; None: it is. Raises ApiError as `received`."""
        return self._settled() if self._waiting else None

    async def _settled(self) -> None:
        while self._waiting:
            failure = await self._waiting.pop()
            if failure is not None:
                raise failure

    def refused(self, answer: Response, why: str) -> None:
        """Nobody knows who asks."""
        told = self._told(STARTED)
        told["responseStatus"] = event.status(answer, None) | {"message": why}
        self._write(told)

    def answered(self, answer: Answer) -> Answer:
        """The answer, at whose end the record is complete."""
        if isinstance(answer, Response):
            self._complete(answer)
            return answer
        if self._is_long():
            self._write(self._told(STARTED) | {"responseStatus": {"metadata": {}, "code": _code(answer)}})
        return watched_to_its_end(answer, Once(lambda: self._complete(answer)))

    def broken_off(self, error: BaseException) -> None:
        """There will be no answer: the client has gone, or answering has failed."""
        if isinstance(error, Exception):
            status = {"metadata": {}, "status": "Failure", "reason": "InternalError", "code": 500}
            self._write(self._told(PANIC) | {"responseStatus": status})
        else:
            self._write(self._told(COMPLETE))

    # inside

    def _is_long(self) -> bool:
        return self._asked.verb == "watch" or self._asked.subresource in (
            "attach",
            "exec",
            "log",
            "portforward",
            "proxy",
        )

    def _complete(self, answer: Answer) -> None:
        told = self._told(COMPLETE)
        shown = None
        if isinstance(answer, Response):
            everything = self._verdict.level >= Level.REQUEST_RESPONSE
            if everything or answer.status >= 400 or self._asked.verb == "delete":
                shown = event.answered(answer)
            told["responseStatus"] = event.status(answer, shown)
            if everything and shown is not None:
                told["responseObject"] = self._trimmed(shown)
        else:
            told["responseStatus"] = {"metadata": {}, "code": _code(answer)}
        self._write(told)

    def _told(self, stage: str) -> dict[str, Any]:
        request, exchange = self._request, self._request.exchange
        told = {
            "kind": "Event",
            "apiVersion": "audit.k8s.io/v1",
            "level": WORDS[self._verdict.level],
            "auditID": exchange.identity.decode("latin-1"),
            "stage": stage,
            "requestURI": exchange.target,
            "verb": self._asked.verb,
            "user": self._user(),
        }
        if self._impersonated is not None:
            told["impersonatedUser"] = event.user(self._impersonated[1])
        told |= {"sourceIPs": event.sources(exchange), "userAgent": event.agent(exchange)}
        about = event.reference(self._asked)
        if about is not None:
            told["objectRef"] = about
        if stage != RECEIVED and request.target.kind is not None:
            self._add_object(told)
        return told | {"requestReceivedTimestamp": self._received}

    def _user(self) -> dict[str, Any]:
        if self._impersonated is not None:
            return event.user(self._impersonated[0])
        user = self._request.user
        return event.user(user) if user is not None else {}

    def _add_object(self, told: dict[str, Any]) -> None:
        """The object that was sent, and what it says of itself."""
        wanted = self._verdict.level >= Level.REQUEST
        sent = self._object
        if sent is None and wanted and self._request.exchange.body:
            sent = event.sent(self._request.exchange)
        if self._object is not None:
            metadata = self._object.get("metadata") or {}
            known = {field: metadata[field] for field in event.OF_METADATA if metadata.get(field)}
            told["objectRef"] = known | told["objectRef"]
        if wanted and sent is not None:
            told["requestObject"] = self._trimmed(sent)

    def _trimmed(self, value: Any) -> Any:
        return event.without_managed_fields(value) if self._verdict.omit_managed_fields else value

    def _write(self, told: dict[str, Any], *, strict: bool = False) -> None:
        if told["stage"] in self._verdict.omitted:
            return
        told["stageTimestamp"] = micro_timestamp(self._auditor.clock.now())
        if self._annotations:
            told["annotations"] = self._annotations
        outcome = self._auditor.write(told, strict=strict)
        if outcome is not None:
            self._waiting.append(outcome)


def _code(answer: Answer) -> int:
    return getattr(answer, "status", 101)
