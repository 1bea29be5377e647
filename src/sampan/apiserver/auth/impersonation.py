"""Impersonation: who may, asks as somebody else; from there on the request is theirs.

Each part of the other identity (user, groups, uid, extra values) needs the verb `impersonate` on it, for whoever really
asks. https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterator, Mapping
from urllib.parse import unquote

from sampan.api import errors
from sampan.api.errors import ApiError
from sampan.apiserver.auth.authenticator import settled
from sampan.apiserver.auth.authorizer import Answer, Attributes, Authorizer, Decision, refusal
from sampan.apiserver.auth.user import ANONYMOUS, AUTHENTICATED_GROUP, UNAUTHENTICATED_GROUP, User
from sampan.apiserver.http.exchange import Exchange

USER, GROUP, UID = b"impersonate-user", b"impersonate-group", b"impersonate-uid"
EXTRA = b"impersonate-extra-"
ANY = b"impersonate-"
ACCOUNT = "system:serviceaccount:"
GROUP_NAME = "authentication.k8s.io"


def impersonate(user: User, exchange: Exchange, authorizer: Authorizer) -> User | Awaitable[User]:
    """The identity to go on with: `user` itself when the headers ask for no other.

    Raises Forbidden when it may not be taken on, and ApiError 500, as upstream, when no user is named.
    """
    if not any(name.startswith(ANY) for name in exchange.headers):
        return user
    name = _first(exchange, USER)
    if not name:
        raise ApiError("Internal Server Error: impersonation without impersonating a user", code=500)
    groups = _values(exchange, GROUP)
    uid = _first(exchange, UID)
    extra = {
        unquote(header[len(EXTRA) :].decode("latin-1")).lower(): _values(exchange, header)
        for header in exchange.headers
        if header.startswith(EXTRA)
    }
    taken = User(name, uid=uid, groups=_completed(name, groups), extra=extra)
    left = _asked(name, groups, uid, extra)
    for asked in left:
        answer = authorizer.decide(user, asked)
        if not isinstance(answer, tuple):
            return _later(user, taken, authorizer, answer, asked, left)
        _check(user, asked, answer)
    return taken


async def _later(
    user: User,
    taken: User,
    authorizer: Authorizer,
    waiting: Awaitable[Answer],
    asked: Attributes,
    left: Iterator[Attributes],
) -> User:
    """The rest of the questions, from one on that has to be waited for."""
    _check(user, asked, await waiting)
    for further in left:
        _check(user, further, await settled(authorizer.decide(user, further)))
    return taken


def _check(user: User, asked: Attributes, answer: Answer) -> None:
    decision, reason = answer
    if decision is not Decision.ALLOW:
        raise errors.forbidden(asked.group, asked.resource, asked.name, refusal(user, asked, reason))


def _values(exchange: Exchange, header: bytes) -> tuple[str, ...]:
    """One for each time the header was given: what has a comma in it is one name."""
    found = (value.decode("utf-8", "replace").strip() for value in exchange.values(header))
    return tuple(value for value in found if value)


def _first(exchange: Exchange, header: bytes) -> str:
    return next(iter(_values(exchange, header)), "")


def _asked(name: str, groups: tuple[str, ...], uid: str, extra: Mapping[str, tuple[str, ...]]) -> Iterator[Attributes]:
    """What the real user must be allowed, one by one."""
    account = _account(name)
    if account is not None:
        yield Attributes("impersonate", "", "v1", "serviceaccounts", "", *account)
    else:
        yield Attributes("impersonate", "", "v1", "users", name=name)
    for group in groups:
        yield Attributes("impersonate", "", "v1", "groups", name=group)
    if uid:
        yield Attributes("impersonate", GROUP_NAME, "v1", "uids", name=uid)
    for key, values in extra.items():
        for value in values:
            yield Attributes("impersonate", GROUP_NAME, "v1", "userextras", key, name=value)


def _account(name: str) -> tuple[str, str] | None:
    """Namespace and name of a service account's user name."""
    if not name.startswith(ACCOUNT):
        return None
    namespace, colon, account = name[len(ACCOUNT) :].partition(":")
    return (namespace, account) if colon and namespace and account and ":" not in account else None


def _completed(name: str, groups: tuple[str, ...]) -> tuple[str, ...]:
    """The groups everybody of the kind is in; a service account's only where none were named."""
    account = _account(name)
    if account is not None and not groups:
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{account[0]}")
    if name == ANONYMOUS:
        return groups if UNAUTHENTICATED_GROUP in groups else (*groups, UNAUTHENTICATED_GROUP)
    return groups if {AUTHENTICATED_GROUP, UNAUTHENTICATED_GROUP} & set(groups) else (*groups, AUTHENTICATED_GROUP)
