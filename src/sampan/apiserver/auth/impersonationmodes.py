"""What must be allowed for somebody to ask as somebody else: in one of several modes, the narrowest first (KEP-5284).

A constrained mode needs two things: `impersonate-on:<mode>:<verb>` for the request itself, and `impersonate:<mode>` for
each part of the other identity (of group authentication.k8s.io). The one that has always been needs `impersonate` for
each part, whatever the request is. A mode is a generator: it yields questions, is sent their answers, and raises
Forbidden or returns the identity. Pure.
https://kubernetes.io/docs/reference/access-authn-authz/user-impersonation/#constrained-impersonation
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import NamedTuple

from sampan.api import errors, names
from sampan.api.errors import Forbidden
from sampan.apiserver.auth.authorizer import Answer, Attributes, Decision, refusal
from sampan.apiserver.auth.claims import NODE_NAME
from sampan.apiserver.auth.claims import PREFIX as ACCOUNT
from sampan.apiserver.auth.user import ANONYMOUS, AUTHENTICATED_GROUP, MASTERS_GROUP, UNAUTHENTICATED_GROUP, User

NODE, NODES = "system:node:", "system:nodes"
GROUP_NAME = "authentication.k8s.io"
NODE_KEYS = "authentication.kubernetes.io/associated-node-keys"
MANY = 4
"""So many groups or extra values are asked for as all of them first."""

Question = tuple[User, Attributes]
Steps = Generator[Question, Answer, None]
Mode = Generator[Question, Answer, User]


def associated_node(user: User, wanted: User, request: Attributes) -> Mode | None:
    """An account whose token is for a node asks as that node. What else its token says is no part of the question."""
    node = _node(wanted.name)
    if not _is_name_alone(wanted) or node is None or account(user.name) is None or user.extra.get(NODE_NAME) != (node,):
        return None
    asking = User(user.name, uid=user.uid, groups=user.groups, extra={NODE_KEYS: tuple(sorted(user.extra))})
    return _constrained("associated-node", asking, wanted, request, node="*")


def arbitrary_node(user: User, wanted: User, request: Attributes) -> Mode | None:
    node = _node(wanted.name)
    if not _is_name_alone(wanted) or node is None:
        return None
    return _constrained("arbitrary-node", user, wanted, request, node=node)


def service_account(user: User, wanted: User, request: Attributes) -> Mode | None:
    if not _is_name_alone(wanted) or account(wanted.name) is None:
        return None
    return _constrained("serviceaccount", user, wanted, request)


def user_info(user: User, wanted: User, request: Attributes) -> Mode | None:
    """Whoever is neither a node nor an account."""
    if _node(wanted.name) is not None or account(wanted.name) is not None:
        return None
    return _constrained("user-info", user, wanted, request)


def legacy(user: User, wanted: User, request: Attributes) -> Mode | None:
    return _impersonate(_Parts(user, wanted, "impersonate", ""))


MODES: tuple[Callable[[User, User, Attributes], Mode | None], ...] = (
    associated_node,
    arbitrary_node,
    service_account,
    user_info,
    legacy,
)
"""In upstream's order. Each gives None where it is not for such a user."""


class _Parts(NamedTuple):
    """Who asks to be whom by which verb, where users and groups are of the API group `group`."""

    user: User
    wanted: User
    verb: str
    group: str
    node: str = ""

    def asked(self, resource: str, name: str, *, group: str = GROUP_NAME, part: str = "", place: str = "") -> Question:
        return self.user, Attributes(self.verb, group, "v1", resource, part, place, name)

    @property
    def constrained(self) -> bool:
        return bool(self.group)


def _constrained(mode: str, user: User, wanted: User, request: Attributes, *, node: str = "") -> Mode:
    yield from _allowed(user, request._replace(verb=f"impersonate-on:{mode}:{request.verb}"))
    return (yield from _impersonate(_Parts(user, wanted, f"impersonate:{mode}", GROUP_NAME, node)))


def _impersonate(parts: _Parts) -> Mode:
    wanted = parts.wanted
    yield from _name(parts)
    if wanted.uid:
        yield from _allowed(*parts.asked("uids", wanted.uid))
    yield from _groups(parts)
    yield from _extra(parts)
    return User(wanted.name, uid=wanted.uid, groups=_completed(parts), extra=wanted.extra)


def _name(parts: _Parts) -> Steps:
    place = account(parts.wanted.name)
    if parts.node:
        yield from _allowed(*parts.asked("nodes", parts.node, group=parts.group))
    elif place is not None:
        yield from _allowed(*parts.asked("serviceaccounts", place[1], group=parts.group, place=place[0]))
    else:
        yield from _allowed(*parts.asked("users", parts.wanted.name, group=parts.group))


def _groups(parts: _Parts) -> Steps:
    groups = parts.wanted.groups
    if parts.constrained and MASTERS_GROUP in groups:
        _, asked = parts.asked("groups", MASTERS_GROUP, group=parts.group)
        raise _forbidden(parts.user, asked, f"impersonating the {MASTERS_GROUP} group is not allowed")
    if parts.constrained and len(groups) >= MANY and (yield from _may(*parts.asked("groups", "*", group=parts.group))):
        return
    for group in groups:
        yield from _allowed(*parts.asked("groups", group, group=parts.group))


def _extra(parts: _Parts) -> Steps:
    extra = parts.wanted.extra
    if parts.constrained:
        for key, values in extra.items():
            if wrong := _wrong_key(key) if values else "impersonating empty values in extra is not allowed":
                raise _forbidden(parts.user, parts.asked("userextras", "")[1], wrong)
        if sum(map(len, extra.values())) >= MANY and (yield from _may(*parts.asked("userextras", "*", part="*"))):
            return
    for key, values in extra.items():
        for value in values:
            yield from _allowed(*parts.asked("userextras", value, part=key))


def _wrong_key(key: str) -> str:
    domain, slash, path = key.partition("/")
    if not key:
        return "impersonating the empty string key in extra is not allowed"
    if not slash or not path or names.subdomain(domain.lower()):
        why = 'must be a domain-prefixed path (such as "acme.io/foo")'
        return f'impersonating an invalid key in extra is not allowed: extra.key: Invalid value: "{key}": {why}'
    return ""


def _may(user: User, asked: Attributes) -> Generator[Question, Answer, bool]:
    answer = yield user, asked
    return answer[0] is Decision.ALLOW


def _allowed(user: User, asked: Attributes) -> Steps:
    """Raises Forbidden for whatever is no yes."""
    decision, reason = yield user, asked
    if decision is not Decision.ALLOW:
        raise _forbidden(user, asked, reason)


def _forbidden(user: User, asked: Attributes, reason: str) -> Forbidden:
    text = refusal(user, asked, reason)
    if asked.path:
        return Forbidden(f"forbidden: {text}", details={})
    return errors.forbidden(asked.group, asked.resource, asked.name, text)


def _completed(parts: _Parts) -> tuple[str, ...]:
    """The groups everybody of the kind is in; an account's, and a node's, only where none were named."""
    name, groups = parts.wanted.name, parts.wanted.groups
    place = account(name)
    if parts.node:
        groups = (NODES,)
    elif place is not None and not groups:
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{place[0]}")
    if name == ANONYMOUS:
        return groups if UNAUTHENTICATED_GROUP in groups else (*groups, UNAUTHENTICATED_GROUP)
    return groups if {AUTHENTICATED_GROUP, UNAUTHENTICATED_GROUP} & set(groups) else (*groups, AUTHENTICATED_GROUP)


def account(name: str) -> tuple[str, str] | None:
    """Namespace and name of a service account's user name."""
    if not name.startswith(ACCOUNT):
        return None
    namespace, colon, own = name[len(ACCOUNT) :].partition(":")
    return (namespace, own) if colon and namespace and own and ":" not in own else None


def _node(name: str) -> str | None:
    """The node of a node's user name."""
    node = name[len(NODE) :] if name.startswith(NODE) else ""
    return node if node and not names.subdomain(node) else None


def _is_name_alone(wanted: User) -> bool:
    return not (wanted.uid or wanted.groups or wanted.extra)
