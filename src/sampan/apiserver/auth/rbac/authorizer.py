"""The RBAC authorizer: decisions from the index, remembered until a role or a binding changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sampan.apiserver.auth.authorizer import Attributes, Decision
from sampan.apiserver.auth.rbac.index import GROUP, Grant, Index
from sampan.apiserver.auth.rbac.rule import Rule
from sampan.apiserver.auth.user import User

REMEMBERED = 65_536
LONGEST = 4096
"""Characters of a question whose answer is kept: anybody may ask about the longest of names and paths."""
Answer = tuple[Decision, str]


class RbacAuthorizer:
    """Allows what some role bound to the user allows; never denies.

    Most rules name no objects: what was found by them alone is remembered for all names together.
    """

    def __init__(self, index: Index) -> None:
        self._index = index
        self._generation = -1
        self._decided: dict[tuple[object, ...], Answer] = {}

    @property
    def remembered(self) -> int:
        """How many answers are kept."""
        return len(self._decided)

    def decide(self, user: User, attributes: Attributes) -> Answer:
        decided = self._decided
        if self._generation != self._index.generation or len(decided) > REMEMBERED:
            decided.clear()
            self._generation = self._index.generation
        verb, group, _, resource, subresource, namespace, name, path, _, _ = attributes
        place = (user.name, user.groups, verb, group, resource, subresource, namespace, path)
        answer = decided.get(place)
        if answer is None:
            answer = decided.get((place, name)) or self._decide(user, attributes, place)
        return answer

    def _decide(self, user: User, attributes: Attributes, place: tuple[object, ...]) -> Answer:
        """Decides, and remembers it for this name or for all."""
        missing: dict[str, None] = {}
        answer, named = None, False
        for grant in self._index.grants(user, attributes.namespace):
            rules = self._index.role(grant.role)
            if rules is None:
                missing[absent(grant)] = None
                continue
            allowed, by_name = _allows(rules, attributes)
            named |= by_name
            if allowed:
                answer = Decision.ALLOW, grant.words
                break
        answer = answer or (Decision.NO_OPINION, _told(missing))
        if sum(map(len, (user.name, *user.groups, *attributes[:-2]))) <= LONGEST:
            self._decided[(place, attributes.name) if named else place] = answer
        return answer

    def rules(self, user: User, namespace: str) -> Iterator[Rule]:
        """Everything the user may do in the namespace and the cluster."""
        for grant in self._index.grants(user, namespace):
            yield from self._index.role(grant.role) or ()

    def role(self, namespace: str, name: str) -> tuple[Rule, ...] | None:
        """The rules of a Role, or of a ClusterRole (namespace ""); None when it does not exist."""
        return self._index.role((namespace, name))


def _allows(rules: Iterable[Rule], attributes: Attributes) -> tuple[bool, bool]:
    """Whether one of the rules does, and whether another name might be answered otherwise."""
    named = False
    for rule in rules:
        named |= rule.names_objects(attributes)
        if rule.allows(attributes):
            return True, named
    return False, named


def _told(missing: Iterable[str]) -> str:
    words = list(missing)
    if not words:
        return ""
    return f"RBAC: [{', '.join(words)}]" if len(words) > 1 else f"RBAC: {words[0]}"


def absent(grant: Grant) -> str:
    """Upstream's words for a binding to nothing."""
    namespace, name = grant.role
    return f'{"role" if namespace else "clusterrole"}.{GROUP} "{name}" not found'
