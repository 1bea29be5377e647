"""Authentication: a list of ways, asked in order; the first that knows the credential decides.

A way gives a `User`, None ("not my kind of credential") or raises `Rejected` ("mine, and wrong"). Every way is memoised
where its credential lives: certificates per connection, tokens per token. A way that has to ask another machine gives
an awaitable of the same, and only then anything waits.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Protocol, TypeVar

from sampan.apiserver.auth.user import User
from sampan.apiserver.http.exchange import Exchange

T = TypeVar("T")


class Rejected(Exception):
    """A credential was shown and is not good. Its words never hold the credential."""


Found = User | None
Answer = Found | Awaitable[Found]


class Authenticator(Protocol):
    """One way of telling who asks. Must not block."""

    def authenticate(self, exchange: Exchange) -> Answer:
        """The user, or None when the request shows no credential of this kind. Raises Rejected for a bad one."""


class Chain:
    """The configured ways, in upstream's order: request headers of a proxy, client certificate, bearer token."""

    def __init__(self, ways: Sequence[Authenticator]) -> None:
        self._ways = tuple(ways)

    def authenticate(self, exchange: Exchange) -> Answer:
        """The first answer; None when no way knows a credential.

        Raises Rejected when one was shown and none accepts it.
        """
        rejected: Rejected | None = None
        for place, way in enumerate(self._ways, 1):
            try:
                user = way.authenticate(exchange)
            except Rejected as error:
                rejected = error
                continue
            if user is None:
                continue
            return user if isinstance(user, User) else self._later(user, exchange, place, rejected)
        if rejected is not None:
            raise rejected
        return None

    async def _later(
        self, waiting: Awaitable[Found], exchange: Exchange, place: int, rejected: Rejected | None
    ) -> Found:
        """As `authenticate`, from the way at `place - 1` on, which has to be waited for."""
        try:
            user = await waiting
        except Rejected as error:
            user, rejected = None, error
        if user is None:
            user = await settled(Chain(self._ways[place:]).authenticate(exchange))
        if user is None and rejected is not None:
            raise rejected
        return user


async def settled(answer: T | Awaitable[T]) -> T:
    """What an answer is, waited for where it has to be."""
    return await answer if isinstance(answer, Awaitable) else answer
