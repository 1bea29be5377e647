"""Impersonation: each part of the other identity has to be allowed, and nothing of one's own is kept."""

from __future__ import annotations

import pytest

from sampan.api.errors import ApiError, Forbidden
from sampan.apiserver.auth import impersonation
from sampan.apiserver.auth.authorizer import Attributes, Decision
from sampan.apiserver.auth.user import User
from sampan.apiserver.http.exchange import Exchange

ADMIN = User("admin", uid="1", groups=("system:masters",), extra={"own": ("x",)})


class Allows:
    """Lets those be impersonated that it was made with, as (resource, name)."""

    def __init__(self, *allowed: tuple[str, str]) -> None:
        self.allowed = set(allowed)

    def decide(self, user: User, attributes: Attributes) -> tuple[Decision, str]:
        assert (user, attributes.verb) == (ADMIN, "impersonate")
        known = (attributes.resource, attributes.name) in self.allowed
        return (Decision.ALLOW if known else Decision.NO_OPINION), ""


def impersonate(user: User, headers: dict[bytes, bytes], allowed: Allows, **repeated: list[bytes]) -> User:
    asked = {f"impersonate-{name}".encode(): values for name, values in repeated.items()}
    joined = {name: b", ".join(values) for name, values in asked.items()}
    exchange = Exchange(method="GET", target="/", headers=headers | joined, repeated=asked)
    found = impersonation.impersonate(user, exchange, allowed)
    assert isinstance(found, User)
    return found


def test_without_headers_one_stays_oneself() -> None:
    assert impersonate(ADMIN, {b"accept": b"x"}, Allows()) is ADMIN


def test_everything_is_taken_from_the_headers() -> None:
    headers = {
        b"impersonate-user": b"eve",
        b"impersonate-uid": b"7",
        b"impersonate-extra-acme.com%2fproject": b"p",
    }
    allowed = Allows(("users", "eve"), ("groups", "a"), ("groups", "b"), ("uids", "7"), ("userextras", "p"))
    eve = impersonate(ADMIN, headers, allowed, group=[b"a", b"b"])
    assert (eve.name, eve.uid, eve.groups) == ("eve", "7", ("a", "b", "system:authenticated"))
    assert eve.extra == {"acme.com/project": ("p",)}


@pytest.mark.parametrize("header, value", [(b"impersonate-group", b"system:masters"), (b"impersonate-uid", b"1")])
def test_each_part_is_asked_for(header: bytes, value: bytes) -> None:
    with pytest.raises(Forbidden, match="cannot impersonate resource"):
        impersonate(ADMIN, {b"impersonate-user": b"eve", header: value}, Allows(("users", "eve")))


def test_a_name_with_a_comma_is_one_name() -> None:
    """As in a directory's; taken for two, who may name groups there could name himself into any."""
    headers = {b"impersonate-user": b"eve", b"impersonate-group": b"cn=x,system:masters"}
    eve = impersonate(ADMIN, headers, Allows(("users", "eve"), ("groups", "cn=x,system:masters")))
    assert eve.groups == ("cn=x,system:masters", "system:authenticated")
    with pytest.raises(Forbidden):
        impersonate(ADMIN, headers, Allows(("users", "eve"), ("groups", "cn=x"), ("groups", "system:masters")))


def test_a_service_account_is_asked_for_as_such_and_has_its_groups() -> None:
    headers = {b"impersonate-user": b"system:serviceaccount:ns:bot"}
    bot = impersonate(ADMIN, headers, Allows(("serviceaccounts", "bot")))
    assert bot.groups == ("system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated")
    with pytest.raises(Forbidden):
        impersonate(ADMIN, headers, Allows(("users", "system:serviceaccount:ns:bot")))


def test_groups_without_a_user_are_an_error() -> None:
    with pytest.raises(ApiError, match="without impersonating a user"):
        impersonate(ADMIN, {b"impersonate-group": b"system:masters"}, Allows(("groups", "system:masters")))


def test_anonymous_is_not_authenticated() -> None:
    headers = {b"impersonate-user": b"system:anonymous"}
    assert impersonate(ADMIN, headers, Allows(("users", "system:anonymous"))).groups == ("system:unauthenticated",)
