"""Impersonation: who may, asks as somebody else; from there on the request is theirs.

What that needs is said in `impersonationmodes`. The mode that was last good for somebody is tried first, so that an
authorizer far away is not asked in vain again and again.
https://kubernetes.io/docs/reference/access-authn-authz/user-impersonation/
"""

from __future__ import annotations

from collections.abc import Awaitable, Generator
from urllib.parse import unquote

from sampan.api.errors import ApiError, Forbidden
from sampan.apiserver.auth.authenticator import settled
from sampan.apiserver.auth.authorizer import Answer, Attributes, Authorizer
from sampan.apiserver.auth.impersonationmodes import MODES, Question
from sampan.apiserver.auth.user import User
from sampan.apiserver.http.exchange import Exchange

USER, GROUP, UID = b"impersonate-user", b"impersonate-group", b"impersonate-uid"
EXTRA = b"impersonate-extra-"
ANY = b"impersonate-"
REMEMBERED = 1024


def wanted(exchange: Exchange) -> User | None:
    """Whom the headers name, nothing added; None when they name nobody.

    Raises ApiError 500, as upstream, when they name all but a user.
    """
    for header in exchange.headers:
        if header.startswith(ANY):
            return _named(exchange)
    return None


def _named(exchange: Exchange) -> User:
    name = _first(exchange, USER)
    if not name:
        raise ApiError("Internal Server Error: impersonation without impersonating a user", code=500)
    extra = {
        unquote(header[len(EXTRA) :].decode("latin-1")).lower(): _values(exchange, header)
        for header in exchange.headers
        if header.startswith(EXTRA)
    }
    return User(name, uid=_first(exchange, UID), groups=_values(exchange, GROUP), extra=extra)


class Impersonation:
    """Knows by which mode somebody last was somebody else."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str, tuple[str, ...]], int] = {}

    def impersonate(
        self, user: User, other: User, request: Attributes, authorizer: Authorizer
    ) -> User | Awaitable[User]:
        """The identity to go on with. Raises Forbidden, with what the first mode lacks."""
        return _driven(self._tried(user, other, request), authorizer)

    def _tried(self, user: User, other: User, request: Attributes) -> Generator[Question, Answer, User]:
        key = user.name, user.uid, user.groups
        last = self._last.get(key)
        order = sorted(range(len(MODES)), key=lambda place: place != last)
        refused: Forbidden | None = None
        for place in order:
            mode = MODES[place](user, other, request)
            if mode is None:
                continue
            try:
                found = yield from mode
            except Forbidden as error:
                refused = refused or error
                continue
            if len(self._last) >= REMEMBERED:
                self._last.clear()
            self._last[key] = place
            return found
        assert refused is not None, "the last mode is for everybody"
        raise refused


def _driven(steps: Generator[Question, Answer, User], authorizer: Authorizer) -> User | Awaitable[User]:
    """What the questions come to; awaitable from the first answer on that has to be waited for."""
    try:
        question = next(steps)
        while True:
            answer = authorizer.decide(*question)
            if not isinstance(answer, tuple):
                return _later(steps, authorizer, answer)
            question = steps.send(answer)
    except StopIteration as end:
        found: User = end.value
        return found


async def _later(steps: Generator[Question, Answer, User], authorizer: Authorizer, waiting: Awaitable[Answer]) -> User:
    answer = await waiting
    try:
        while True:
            answer = await settled(authorizer.decide(*steps.send(answer)))
    except StopIteration as end:
        found: User = end.value
        return found


def _values(exchange: Exchange, header: bytes) -> tuple[str, ...]:
    """One for each time the header was given: what has a comma in it is one name."""
    found = (value.decode("utf-8", "replace").strip() for value in exchange.values(header))
    return tuple(value for value in found if value)


def _first(exchange: Exchange, header: bytes) -> str:
    return next(iter(_values(exchange, header)), "")
