"""Authentication and authorization as the API server says: TokenReview and SubjectAccessReview, remembered.

Whoever shows a client certificate of the cluster's authority is whom it names; else a bearer token is reviewed; nobody
is anonymous. Times are upstream's: who a token is two minutes, a yes five minutes, a no half a minute. Tokens are
remembered by their digest alone. Many unknown tokens at once ask at most `AT_ONCE` reviews of the API server.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import ssl
from collections.abc import Sequence
from typing import Any, NamedTuple

from sampan.aio.clock import Clock
from sampan.api.errors import ApiError
from sampan.api.kinds import authentication_v1, authorization_v1
from sampan.client.errors import ClientError
from sampan.client.interface import Client
from sampan.kubelet.access import attributes
from sampan.kubelet.access.memory import Memory

log = logging.getLogger(__name__)
TOKEN_SECONDS = 120.0
ALLOWED_SECONDS = 300.0
DENIED_SECONDS = 30.0
LIMIT = 4096
AT_ONCE = 16
SCHEME = "bearer "


class Refused(Exception):
    """401, 403 or 500 with upstream's words."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class User(NamedTuple):
    """As the authentication API tells it."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


class Access:
    """Decides about one request after the other for one node's server."""

    def __init__(self, client: Client, clock: Clock, node: str) -> None:
        self._client = client
        self._clock = clock
        self._node = node
        self._tokens: Memory[User | str] = Memory(clock, limit=LIMIT)
        self._decisions: Memory[bool] = Memory(clock, limit=LIMIT)
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def check(self, certificate: Any, authorization: str, method: str, path: str) -> User:
        """Who asks, when they may. `certificate` as `ssl` gives it, `authorization` the header's value.

        Raises Refused.
        """
        user = self._certified(certificate) or await self._reviewed(authorization)
        verb, wanted = attributes.verb(method), attributes.subresources(path)
        for subresource in wanted:
            if await self._may(user, verb, subresource):
                return user
        raise Refused(
            403,
            f"Forbidden (user={user.name}, verb={verb}, resource=nodes, subresource(s)=[{' '.join(wanted)}])\n",
        )

    def _certified(self, certificate: Any) -> User | None:
        """Whom a verified certificate names; one that has ended on a standing connection names nobody."""
        if not certificate or ssl.cert_time_to_seconds(certificate["notAfter"]) < self._clock.now():
            return None
        subject = [pair for part in certificate.get("subject", ()) for pair in part]
        name = next((value for key, value in reversed(subject) if key == "commonName"), "")
        groups = tuple(value for key, value in subject if key == "organizationName")
        return User(name, groups=(*groups, "system:authenticated")) if name else None

    async def _reviewed(self, authorization: str) -> User:
        token = authorization[len(SCHEME) :].strip() if authorization.lower().startswith(SCHEME) else ""
        if not token:
            raise Refused(401, "Unauthorized")
        key = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        known = self._tokens.get(key)
        if known is None:
            review = authentication_v1.TokenReview(spec=authentication_v1.TokenReviewSpec(token=token))
            try:
                async with self._turns:
                    known = user_of(await self._client.create(review))
            except (ApiError, ClientError) as error:
                log.warning("a token could not be reviewed error=%s", error)
                raise Refused(401, "Unauthorized") from None
            self._tokens.put(key, known, TOKEN_SECONDS)
        if not isinstance(known, User):
            raise Refused(401, "Unauthorized")
        return known

    async def _may(self, user: User, verb: str, subresource: str) -> bool:
        key = (user, verb, subresource)
        known = self._decisions.get(key)
        if known is None:
            try:
                async with self._turns:
                    answer = await self._client.create(self._review(user, verb, subresource))
            except (ApiError, ClientError) as error:
                log.warning("a permission could not be asked for user=%s error=%s", user.name, error)
                what = f"user={user.name}, verb={verb}, resource=nodes, subresource={subresource}"
                raise Refused(500, f"Authorization error ({what})") from None
            known = bool(answer.status and answer.status.allowed)
            self._decisions.put(key, known, ALLOWED_SECONDS if known else DENIED_SECONDS)
        return known

    def _review(self, user: User, verb: str, subresource: str) -> Any:
        return authorization_v1.SubjectAccessReview(
            spec=authorization_v1.SubjectAccessReviewSpec(
                user=user.name,
                uid=user.uid or None,
                groups=list(user.groups),
                extra={name: list(values) for name, values in user.extra} or None,
                resourceAttributes=authorization_v1.ResourceAttributes(
                    verb=verb, version="v1", resource="nodes", subresource=subresource, name=self._node
                ),
            )
        )


def user_of(review: Any) -> User | str:
    """Who a TokenReview says the token is; "" for nobody."""
    status = review.status
    if status is None or not status.authenticated or status.user is None or not status.user.username:
        return ""
    user = status.user
    extra: Sequence[tuple[str, Sequence[str]]] = sorted((user.extra or {}).items())
    return User(
        user.username,
        user.uid or "",
        tuple(user.groups or ()),
        tuple((name, tuple(values)) for name, values in extra),
    )
