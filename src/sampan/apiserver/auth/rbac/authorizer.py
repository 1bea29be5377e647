"""The RBAC authorizer: decisions from the index, remembered until a role or a binding changes."""

from __future__ import annotations

from collections.abc import Iterator

from sampan.apiserver.auth.authorizer import Attributes, Decision
from sampan.apiserver.auth.rbac.index import GROUP, Grant, Index
from sampan.apiserver.auth.rbac.rule import Rule
from sampan.apiserver.auth.user import User

REMEMBERED = 65_536
Answer = tuple[Decision, str]


class RbacAuthorizer:
    """Allows what some role bound to the user allows; never denies."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._generation = -1
        self._decided: dict[tuple[str, tuple[str, ...], Attributes], Answer] = {}

    def decide(self, user: User, attributes: Attributes) -> Answer:
        decided = self._decided
        if self._generation != self._index.generation or len(decided) > REMEMBERED:
            decided.clear()
            self._generation = self._index.generation
        key = (user.name, user.groups, attributes)
        answer = decided.get(key)
        if answer is None:
            answer = decided[key] = self._decide(user, attributes)
        return answer

    def _decide(self, user: User, attributes: Attributes) -> Answer:
        missing: dict[str, None] = {}
        for grant in self._index.grants(user, attributes.namespace):
            rules = self._index.role(grant.role)
            if rules is None:
                missing[absent(grant)] = None
                continue
            if any(rule.allows(attributes) for rule in rules):
                return Decision.ALLOW, grant.words
        if not missing:
            return Decision.NO_OPINION, ""
        words = ", ".join(missing)
        return Decision.NO_OPINION, f"RBAC: [{words}]" if len(missing) > 1 else f"RBAC: {words}"

    def rules(self, user: User, namespace: str) -> Iterator[Rule]:
        """Everything the user may do in the namespace and the cluster."""
        for grant in self._index.grants(user, namespace):
            yield from self._index.role(grant.role) or ()

    def role(self, namespace: str, name: str) -> tuple[Rule, ...] | None:
        """The rules of a Role, or of a ClusterRole (namespace ""); None when it does not exist."""
        return self._index.role((namespace, name))


def absent(grant: Grant) -> str:
    """Upstream's words for a binding to nothing."""
    namespace, name = grant.role
    return f'{"role" if namespace else "clusterrole"}.{GROUP} "{name}" not found'
