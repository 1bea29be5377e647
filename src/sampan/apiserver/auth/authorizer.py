"""Authorization: a list of authorizers, asked in order; the first with an opinion decides, none means no.

https://kubernetes.io/docs/reference/access-authn-authz/authorization/
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Sequence
from typing import NamedTuple, Protocol

from sampan.api.selectors import Requirement
from sampan.apiserver.auth.authenticator import settled
from sampan.apiserver.auth.tally import Tally
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


DECIDED = {Decision.ALLOW: "allowed", Decision.DENY: "denied", Decision.NO_OPINION: "no-opinion"}
"""As metrics tell it."""
Answer = tuple[Decision, str]
"""A decision and its reason in words ("" when there is nothing to say)."""


class Authorizer(Protocol):
    """One source of permissions. Never blocks: what another machine has to be asked is an awaitable of the answer."""

    def decide(self, user: User, attributes: Attributes) -> Answer | Awaitable[Answer]: ...


async def allowed(authorizer: Authorizer, user: User, attributes: Attributes) -> bool:
    """Whether the user may, for those who can wait."""
    return (await settled(authorizer.decide(user, attributes)))[0] is Decision.ALLOW


class Named(NamedTuple):
    """An authorizer with its type and name in the configuration; what both are "" for is not counted."""

    authorizer: Authorizer
    type: str = ""
    name: str = ""


class Union:
    """The configured authorizers in order. `tally` counts who decides."""

    def __init__(self, authorizers: Sequence[Named], tally: Tally) -> None:
        self._authorizers = tuple(authorizers)
        self._tally = tally

    def replace(self, authorizers: Sequence[Named]) -> None:
        """From the next question on, others are asked."""
        self._authorizers = tuple(authorizers)

    def decide(self, user: User, attributes: Attributes) -> Answer | Awaitable[Answer]:
        reasons: list[str] = []
        for place, one in enumerate(self._authorizers, 1):
            answer = one.authorizer.decide(user, attributes)
            if not isinstance(answer, tuple):
                return self._later(answer, user, attributes, place, reasons)
            if answer[0] is not Decision.NO_OPINION:
                return self._decided(one, answer)
            if answer[1]:
                reasons.append(answer[1])
        return Decision.NO_OPINION, "\n".join(reasons)

    def _decided(self, one: Named, answer: Answer) -> Answer:
        if one.type:
            self._tally.count("apiserver_authorization_decisions_total", one.type, one.name, DECIDED[answer[0]])
        return answer

    async def _later(
        self, waiting: Awaitable[Answer], user: User, attributes: Attributes, place: int, reasons: list[str]
    ) -> Answer:
        """As `decide`, from the authorizer at `place - 1` on, which has to be waited for."""
        authorizers = self._authorizers
        answer = await waiting
        if answer[0] is not Decision.NO_OPINION:
            return self._decided(authorizers[place - 1], answer)
        rest = await settled(Union(authorizers[place:], self._tally).decide(user, attributes))
        if rest[0] is not Decision.NO_OPINION:
            return rest
        return Decision.NO_OPINION, "\n".join(reason for reason in (*reasons, answer[1], rest[1]) if reason)


class PrivilegedGroup:
    """Members of system:masters may do everything, whatever the rules say (upstream's `superuser` authorizer)."""

    def decide(self, user: User, attributes: Attributes) -> Answer:
        return (Decision.ALLOW, "") if MASTERS_GROUP in user.groups else (Decision.NO_OPINION, "")


class Always:
    """The same word for everybody (`AlwaysAllow`, `AlwaysDeny`)."""

    def __init__(self, decision: Decision) -> None:
        self._decision = decision

    def decide(self, user: User, attributes: Attributes) -> Answer:
        reason = "" if self._decision is Decision.ALLOW else "Everything is forbidden."
        return self._decision, reason


HEALTH_PATHS = ("/healthz", "/livez", "/readyz")


class Health:
    """Anybody may ask whether the server is well."""

    def decide(self, user: User, attributes: Attributes) -> Answer:
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
