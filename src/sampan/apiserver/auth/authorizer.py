"""Authorization: a list of authorizers, asked in order; the first with an opinion decides, none means no.

https://kubernetes.io/docs/reference/access-authn-authz/authorization/
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from sampan.api.selectors import Requirement
from sampan.apiserver.auth.user import MASTERS_GROUP, User


class Attributes(NamedTuple):
    """What is asked for. For a resource `path` is ""; for anything else only `verb` and `path` are filled.

    `fields` and `labels` are what a list, watch or deletecollection selects by (KEP-4601).
    """

    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""
    fields: tuple[Requirement, ...] = ()
    labels: tuple[Requirement, ...] = ()


class Decision(enum.Enum):
    """An authorizer's word."""

    ALLOW = "allow"
    DENY = "deny"
    NO_OPINION = "no opinion"


class Authorizer(Protocol):
    """One source of permissions. Decides from memory; never blocks."""

    def decide(self, user: User, attributes: Attributes) -> tuple[Decision, str]:
        """The decision and its reason in words ("" when there is nothing to say)."""


class Union:
    """The configured authorizers in order."""

    def __init__(self, authorizers: Sequence[Authorizer]) -> None:
        self._authorizers = tuple(authorizers)

    def decide(self, user: User, attributes: Attributes) -> tuple[Decision, str]:
        reasons = []
        for authorizer in self._authorizers:
            decision, reason = authorizer.decide(user, attributes)
            if decision is not Decision.NO_OPINION:
                return decision, reason
            if reason:
                reasons.append(reason)
        return Decision.NO_OPINION, "\n".join(reasons)


class PrivilegedGroup:
    """Members of system:masters may do everything, whatever the rules say (upstream's `superuser` authorizer)."""

    def decide(self, user: User, attributes: Attributes) -> tuple[Decision, str]:
        return (Decision.ALLOW, "") if MASTERS_GROUP in user.groups else (Decision.NO_OPINION, "")


class Always:
    """The same word for everybody (`AlwaysAllow`, `AlwaysDeny`)."""

    def __init__(self, decision: Decision) -> None:
        self._decision = decision

    def decide(self, user: User, attributes: Attributes) -> tuple[Decision, str]:
        reason = "" if self._decision is Decision.ALLOW else "Everything is forbidden."
        return self._decision, reason


HEALTH_PATHS = ("/healthz", "/livez", "/readyz")


class Health:
    """Anybody may ask whether the server is well."""

    def decide(self, user: User, attributes: Attributes) -> tuple[Decision, str]:
        path = attributes.path
        well = (
            attributes.verb == "get"
            and path.startswith(HEALTH_PATHS)
            and path.split("/")[1] in ("healthz", "livez", "readyz")
        )
        return (Decision.ALLOW, "") if well else (Decision.NO_OPINION, "")


def refusal(user: User, attributes: Attributes, reason: str) -> str:
    """Upstream's words for a request that was not allowed."""
    if attributes.path:
        text = f'User "{user.name}" cannot {attributes.verb} path "{attributes.path}"'
    else:
        resource = f"{attributes.resource}/{attributes.subresource}" if attributes.subresource else attributes.resource
        scope = f'in the namespace "{attributes.namespace}"' if attributes.namespace else "at the cluster scope"
        what = f'resource "{resource}" in API group "{attributes.group}" {scope}'
        text = f'User "{user.name}" cannot {attributes.verb} {what}'
    return f"{text}: {reason}" if reason else text
