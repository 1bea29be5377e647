"""An authorizer that asks another program: a SubjectAccessReview per question, whose answer is kept for a while.

https://kubernetes.io/docs/reference/access-authn-authz/webhook/
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from sampan.api.selectors import Requirement
from sampan.apiserver.auth.authorizer import Answer, Attributes, Decision
from sampan.apiserver.auth.tally import ERROR, SUCCESS, TIMEOUT, Tally
from sampan.apiserver.auth.user import User
from sampan.apiserver.auth.webhook import matching
from sampan.apiserver.auth.webhook.memory import Memory
from sampan.apiserver.auth.webhook.review import Late, Webhook
from sampan.apiserver.outgoing import Unreachable
from sampan.codec.cel.environment import Program
from sampan.codec.cel.errors import EvaluationError

log = logging.getLogger(__name__)
WEBHOOK = "Webhook"
CONDITIONS = "apiserver_authorization_match_condition"
ROUND_TRIPS = "apiserver_authorization_webhook"
KEPT_CHARACTERS = 10_000
"""Longer questions are not kept: many of them would fill the memory (upstream's bound)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`authorized_seconds` and `unauthorized_seconds`: how long a yes and a no are believed. `on_failure` is what is
    said when the webhook, or a match condition, cannot be asked.
    """

    name: str
    version: str = "v1"
    authorized_seconds: float = 300.0
    unauthorized_seconds: float = 30.0
    on_failure: Decision = Decision.NO_OPINION
    conditions: tuple[Program, ...] = ()


class _Status(msgspec.Struct):
    allowed: bool = False
    denied: bool = False
    reason: str = ""
    evaluationError: str = ""


class WebhookAuthorizer:
    """Decides at once what it remembers, and gives an awaitable otherwise."""

    def __init__(self, webhook: Webhook, settings: Settings, now: Callable[[], float], tally: Tally) -> None:
        self._webhook = webhook
        self._settings = settings
        self._now = now
        self._tally = tally
        self._memory: Memory[Answer] = Memory(now)

    def decide(self, user: User, attributes: Attributes) -> Answer | Awaitable[Answer]:
        extra = tuple(sorted((name, tuple(values)) for name, values in user.extra.items()))
        key = user.name, user.uid, user.groups, extra, attributes
        kept = self._memory.get(key)
        if kept is not None:
            return kept
        spec = described(user, attributes)
        try:
            if not self._concerns(spec):
                return Decision.NO_OPINION, ""
        except EvaluationError as error:
            log.warning("match condition failed authorizer=%s problem=%s", self._settings.name, error)
            return self._settings.on_failure, ""
        return self._ask(spec, key)

    def _concerns(self, spec: dict[str, Any]) -> bool:
        """Whether the match conditions let the question through. Raises EvaluationError."""
        if not self._settings.conditions:
            return True
        began, of = self._now(), (WEBHOOK, self._settings.name)
        try:
            if matching.matches(self._settings.conditions, spec):
                return True
            self._tally.count(f"{CONDITIONS}_exclusions_total", *of)
            return False
        except EvaluationError:
            self._tally.count(f"{CONDITIONS}_evaluation_errors_total", *of)
            raise
        finally:
            self._tally.observe(f"{CONDITIONS}_evaluation_seconds", self._now() - began, *of)

    async def _ask(self, spec: dict[str, Any], key: tuple[object, ...]) -> Answer:
        settings = self._settings
        sent = as_version(spec, settings.version)
        review = {"kind": "SubjectAccessReview", "apiVersion": f"authorization.k8s.io/{settings.version}", "spec": sent}
        try:
            status = await self._status(review)
        except (Unreachable, msgspec.ValidationError) as error:
            log.warning("authorization webhook failed authorizer=%s problem=%s", settings.name, error)
            return settings.on_failure, ""
        if status.allowed and status.denied:
            log.warning("authorization webhook failed authorizer=%s problem=it both allows and denies", settings.name)
            return Decision.DENY, "webhook subject access review returned both allow and deny response"
        answer = _decision(status), status.reason
        seconds = settings.authorized_seconds if status.allowed else settings.unauthorized_seconds
        if len(str(key)) <= KEPT_CHARACTERS:
            self._memory.keep(key, answer, seconds)
        return answer

    async def _status(self, review: dict[str, Any]) -> _Status:
        """The webhook's answer, its time counted. Raises Unreachable and msgspec.ValidationError."""
        began, result = self._now(), SUCCESS
        try:
            return msgspec.convert(await self._webhook.status(review), _Status)
        except (Unreachable, msgspec.ValidationError) as error:
            result = TIMEOUT if isinstance(error, Late) else ERROR
            if self._settings.on_failure is Decision.NO_OPINION:
                self._tally.count(f"{ROUND_TRIPS}_evaluations_fail_open_total", self._settings.name, result)
            raise
        finally:
            self._tally.count(f"{ROUND_TRIPS}_evaluations_total", self._settings.name, result)
            self._tally.observe(f"{ROUND_TRIPS}_duration_seconds", self._now() - began, self._settings.name, result)

    async def close(self) -> None:
        await self._webhook.close()


def _decision(status: _Status) -> Decision:
    if status.allowed:
        return Decision.ALLOW
    return Decision.DENY if status.denied else Decision.NO_OPINION


def described(user: User, asked: Attributes) -> dict[str, Any]:
    """A question as the spec of a SubjectAccessReview (authorization.k8s.io/v1); what is empty is left out."""
    spec: dict[str, Any] = {"user": user.name, "groups": list(user.groups), "uid": user.uid}
    spec["extra"] = {name: list(values) for name, values in user.extra.items()}
    if asked.path:
        spec["nonResourceAttributes"] = {"path": asked.path, "verb": asked.verb}
    else:
        fields = ("namespace", "verb", "group", "version", "resource", "subresource", "name")
        wanted: dict[str, Any] = {name: value for name in fields if (value := getattr(asked, name))}
        for name, requirements in (("fieldSelector", asked.fields), ("labelSelector", asked.labels)):
            if requirements:
                wanted[name] = {"requirements": _requirements(requirements)}
        spec["resourceAttributes"] = wanted
    return {name: value for name, value in spec.items() if value}


def as_version(spec: dict[str, Any], version: str) -> dict[str, Any]:
    """v1beta1 says `group` where v1 says `groups`."""
    if version == "v1" or "groups" not in spec:
        return spec
    return {("group" if name == "groups" else name): value for name, value in spec.items()}


def _requirements(requirements: Sequence[Requirement]) -> list[dict[str, Any]]:
    return [
        {"key": one.key, "operator": one.operator, **({"values": list(one.values)} if one.values else {})}
        for one in requirements
    ]
