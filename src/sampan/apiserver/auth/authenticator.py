"""Authentication: a list of ways, asked in order; the first that knows the credential decides.

A way gives a `User`, None ("not my kind of credential") or raises `Rejected` ("mine, and wrong"). Every way is memoised
where its credential lives: certificates per connection, tokens per token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sampan.apiserver.auth.user import User
from sampan.apiserver.http.exchange import Exchange


class Rejected(Exception):
    """A credential was shown and is not good."""


class Authenticator(Protocol):
    """One way of telling who asks. Must not block:

    what needs the network answers from a memory kept by a task of its own.
    """

    def authenticate(self, exchange: Exchange) -> User | None:
        """The user, or None when the request shows no credential of this kind. Raises Rejected for a bad one."""


class Chain:
    """The configured ways, in upstream's order: client certificate, then bearer token."""

    def __init__(self, ways: Sequence[Authenticator]) -> None:
        self._ways = tuple(ways)

    def authenticate(self, exchange: Exchange) -> User | None:
        """The first answer; None when no way knows a credential.

        Raises Rejected when one was shown and none accepts it.
        """
        rejected: Rejected | None = None
        for way in self._ways:
            try:
                user = way.authenticate(exchange)
            except Rejected as error:
                rejected = error
                continue
            if user is not None:
                return user
        if rejected is not None:
            raise rejected
        return None
