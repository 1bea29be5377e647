"""Impersonation: each part of the other identity has to be allowed, and nothing of one's own is kept."""

from __future__ import annotations

import pytest

from sampan.api.errors import ApiError, Forbidden
from sampan.apiserver.auth import impersonation
from sampan.apiserver.auth.authorizer import Attributes, Decision
from sampan.apiserver.auth.impersonation import Impersonation
from sampan.apiserver.auth.user import User
from sampan.apiserver.http.exchange import Exchange

ADMIN = User("admin", uid="1", groups=("system:masters",), extra={"own": ("x",)})


LIST = Attributes("list", "", "v1", "pods", "", "ns")


class Allows:
    """Lets those be impersonated that it was made with, as (resource, name), whatever they do then."""

    def __init__(self, *allowed: tuple[str, str]) -> None:
        self.allowed = {("impersonate", *one) for one in allowed}
        self.asked: list[tuple[User, Attributes]] = []

    def decide(self, user: User, attributes: Attributes) -> tuple[Decision, str]:
        self.asked.append((user, attributes))
        known = (attributes.verb, attributes.resource, attributes.name) in self.allowed
        return (Decision.ALLOW if known else Decision.NO_OPINION), ""


class Constrained(Allows):
    """In one mode, those (as resource and name), on lists of pods alone."""

    def __init__(self, mode: str, *allowed: tuple[str, str]) -> None:
        super().__init__()
        self.allowed = {(f"impersonate:{mode}", *one) for one in allowed} | {
            (f"impersonate-on:{mode}:list", "pods", "")
        }


def impersonate(user: User, headers: dict[bytes, bytes], allowed: Allows, **repeated: list[bytes]) -> User:
    asked = {f"impersonate-{name}".encode(): values for name, values in repeated.items()}
    joined = {name: b", ".join(values) for name, values in asked.items()}
    exchange = Exchange(method="GET", target="/", headers=headers | joined, repeated=asked)
    other = impersonation.wanted(exchange)
    if other is None:
        return user
    found = Impersonation().impersonate(user, other, LIST, allowed)
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
    with pytest.raises(Forbidden, match="cannot impersonate-on:user-info:list resource"):
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


BOT = "system:serviceaccount:ns:bot"
MODES = [
    ("user-info", "eve", ("users", "eve"), ()),
    ("serviceaccount", BOT, ("serviceaccounts", "bot"), ("system:serviceaccounts", "system:serviceaccounts:ns")),
    ("arbitrary-node", "system:node:n1", ("nodes", "n1"), ("system:nodes",)),
]


@pytest.mark.parametrize(("mode", "name", "held", "groups"), MODES, ids=[mode[0] for mode in MODES])
def test_a_constrained_right_is_for_some_requests_alone(
    mode: str, name: str, held: tuple[str, str], groups: tuple[str, ...]
) -> None:
    headers, allowed = {b"impersonate-user": name.encode()}, Constrained(mode, held)
    assert impersonate(ADMIN, headers, allowed).groups == (*groups, "system:authenticated")
    assert {asked.group for _, asked in allowed.asked if asked.verb == f"impersonate:{mode}"} == {
        "authentication.k8s.io"
    }
    other = impersonation.wanted(Exchange(method="GET", target="/", headers=headers))
    assert other is not None
    with pytest.raises(Forbidden, match=f"cannot impersonate-on:{mode}:delete resource") as refused:
        Impersonation().impersonate(ADMIN, other, LIST._replace(verb="delete"), allowed)
    assert refused.value.message.startswith("pods is forbidden: User")
    allowed.allowed = {one for one in allowed.allowed if one[1] == "pods"}
    with pytest.raises(Forbidden, match=f"cannot impersonate:{mode} resource"):
        impersonate(ADMIN, headers, allowed)


def test_an_account_may_be_its_own_node_and_no_other() -> None:
    """What else its token says is no part of the question, so that one answer is good for all of a daemon set."""
    key = "authentication.kubernetes.io/node-name"
    agent = User(BOT, uid="u", extra={key: ("n1",), "authentication.kubernetes.io/pod-name": ("p",)})
    allowed = Constrained("associated-node", ("nodes", "*"))
    assert impersonate(agent, {b"impersonate-user": b"system:node:n1"}, allowed).name == "system:node:n1"
    keys = ("authentication.kubernetes.io/node-name", "authentication.kubernetes.io/pod-name")
    assert {tuple(asker.extra.items()) for asker, _ in allowed.asked} == {
        (("authentication.kubernetes.io/associated-node-keys", keys),)
    }
    for asker, node in ((agent, b"n2"), (User(BOT, uid="u"), b"n1"), (User("eve", extra=agent.extra), b"n1")):
        with pytest.raises(Forbidden):
            impersonate(asker, {b"impersonate-user": b"system:node:" + node}, allowed)


def test_nobody_becomes_an_administrator_by_a_constrained_right() -> None:
    allowed = Constrained("user-info", ("users", "eve"), ("groups", "system:masters"), ("groups", "*"))
    headers = {b"impersonate-user": b"eve"}
    assert impersonate(ADMIN, headers, allowed, group=[b"a", b"b", b"c", b"d"]).groups[-1] == "system:authenticated"
    for groups in ([b"system:masters"], [b"a", b"b", b"c", b"system:masters"], [b"a"]):
        with pytest.raises(Forbidden):
            impersonate(ADMIN, headers, allowed, group=groups)


def test_what_was_good_last_is_asked_for_first() -> None:
    eve, known, allowed = User("eve"), Impersonation(), Allows(("users", "eve"))
    for first in ("impersonate-on:user-info:list", "impersonate"):
        allowed.asked.clear()
        known.impersonate(ADMIN, eve, LIST, allowed)
        assert allowed.asked[0][1].verb == first
