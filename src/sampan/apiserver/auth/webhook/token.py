"""Bearer tokens that another program knows: a TokenReview per token, whose answer is kept for a while.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/#webhook-token-authentication
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable
from typing import Any

import msgspec

from sampan.apiserver.auth.authenticator import Rejected
from sampan.apiserver.auth.bearer import Answer, Audiences, Known, Outcome
from sampan.apiserver.auth.user import AUTHENTICATED_GROUP, User
from sampan.apiserver.auth.webhook.memory import Memory
from sampan.apiserver.auth.webhook.review import Webhook
from sampan.apiserver.outgoing import Unreachable

log = logging.getLogger(__name__)
VERSIONS = ("v1", "v1beta1")


class _User(msgspec.Struct):
    username: str = ""
    uid: str = ""
    groups: list[str] = []
    extra: dict[str, list[str]] = {}


class _Status(msgspec.Struct):
    authenticated: bool = False
    user: _User = msgspec.field(default_factory=_User)
    audiences: tuple[str, ...] = ()
    error: str = ""


class WebhookTokens:
    """`keep_seconds`: how long an answer, yes or no, is believed. Failures to ask are not kept."""

    def __init__(
        self, webhook: Webhook, *, version: str, keep_seconds: float, implicit: Audiences, now: Callable[[], float]
    ) -> None:
        self._webhook = webhook
        self._version = version
        self._keep_seconds = keep_seconds
        self._implicit = implicit
        self._memory: Memory[tuple[Known | None]] = Memory(now)
        self._asking: dict[tuple[bytes, Audiences], asyncio.Task[Outcome]] = {}

    def know(self, token: bytes, wanted: Audiences) -> Answer:
        key = hashlib.sha256(token).digest(), wanted
        kept = self._memory.get(key)
        return kept[0] if kept is not None else self._shared(token, wanted, key)

    async def _shared(self, token: bytes, wanted: Audiences, key: tuple[bytes, Audiences]) -> Outcome:
        """One question for all who show the same token at a time; it goes on when the first of them has left."""
        task = self._asking.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._ask(token, wanted, key), name="token-webhook")
            self._asking[key] = task
            task.add_done_callback(lambda done: self._ended(key, done))
        return await asyncio.shield(task)

    def _ended(self, key: tuple[bytes, Audiences], task: asyncio.Task[Outcome]) -> None:
        del self._asking[key]
        if not task.cancelled():
            task.exception()  # whoever waited has been told; if all have left, nobody wants to know

    async def _ask(self, token: bytes, wanted: Audiences, key: tuple[bytes, Audiences]) -> Outcome:
        spec: dict[str, Any] = {"token": token.decode("utf-8", "replace"), "audiences": list(wanted)}
        group_version = f"authentication.k8s.io/{self._version}"
        try:
            answer = await self._webhook.status({"kind": "TokenReview", "apiVersion": group_version, "spec": spec})
            status = msgspec.convert(answer, _Status)
        except Unreachable as error:
            log.warning("token webhook failed problem=%s", error)
            raise Rejected("the token webhook cannot be asked") from None
        except msgspec.ValidationError as error:
            log.warning("token webhook failed problem=its status does not fit: %s", error)
            raise Rejected("the token webhook's answer does not fit") from None
        known = self._known(status, wanted)
        self._memory.keep(key, (known,), self._keep_seconds)
        return known

    def _known(self, status: _Status, wanted: Audiences) -> Known | None:
        meant = tuple(one for one in wanted if one in (status.audiences or self._implicit))
        if not status.authenticated or not meant:
            return None
        said = status.user
        extra = {name: tuple(values) for name, values in said.extra.items()}
        groups = (*said.groups, *(() if AUTHENTICATED_GROUP in said.groups else (AUTHENTICATED_GROUP,)))
        return Known(User(said.username, uid=said.uid, groups=groups, extra=extra), meant)

    async def close(self) -> None:
        for task in self._asking.values():
            task.cancel()
        await self._webhook.close()
