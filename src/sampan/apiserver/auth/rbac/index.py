"""Who is bound to what: roles and bindings by subject, kept as the watch cache hears of them.

A binding is found by its subjects, so a decision looks only at the bindings of the asking user and of its groups,
however many there are. A service account is the user `system:serviceaccount:<namespace>:<name>`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from sampan.apiserver.auth.rbac.rule import PolicyRule, Rule
from sampan.apiserver.auth.user import User
from sampan.apiserver.following import Follower, Source
from sampan.store.cache import Entry

GROUP = "rbac.authorization.k8s.io"
CLUSTER = ""


class _Reference(msgspec.Struct):
    kind: str = ""
    name: str = ""


class _Subject(msgspec.Struct):
    kind: str = ""
    name: str = ""
    namespace: str | None = None


class _Binding(msgspec.Struct):
    roleRef: _Reference = msgspec.field(default_factory=_Reference)
    subjects: list[_Subject] | None = None


class _Role(msgspec.Struct):
    rules: list[PolicyRule] | None = None


_BINDINGS = msgspec.json.Decoder(_Binding)
_ROLES = msgspec.json.Decoder(_Role)


class Grant(NamedTuple):
    """That a subject is bound to a role. `role` is where the role is found (namespace "" for a ClusterRole), `words`
    how upstream tells of the grant.
    """

    role: tuple[str, str]
    words: str


class Index:
    """`changed` is called after every change, however small."""

    def __init__(self) -> None:
        self.generation = 0
        self._roles: dict[tuple[str, str], tuple[Rule, ...]] = {}
        self._grants: dict[tuple[str, str], dict[str, Grant]] = {}
        self._places: dict[str, list[tuple[str, str]]] = {}
        self._followers: list[Follower] = []

    def follow(self, source: Source) -> None:
        """Fill from the watch cache and keep up with it."""
        for plural in ("clusterroles", "roles"):
            self._followers.append(Follower(source, GROUP, plural, self.put_role))
        for plural in ("clusterrolebindings", "rolebindings"):
            self._followers.append(Follower(source, GROUP, plural, self.put_binding))

    # changes

    def put_role(self, entry: Entry, gone: bool) -> None:
        self.generation += 1
        place = (entry.namespace, entry.name)
        if gone:
            self._roles.pop(place, None)
        else:
            self._roles[place] = tuple(Rule(rule) for rule in _ROLES.decode(entry.data).rules or ())

    def put_binding(self, entry: Entry, gone: bool) -> None:
        self.generation += 1
        for place in self._places.pop(entry.key, ()):
            grants = self._grants[place]
            del grants[entry.key]
            if not grants:
                del self._grants[place]
        if not gone:
            self._add(entry, _BINDINGS.decode(entry.data))

    def _add(self, entry: Entry, binding: _Binding) -> None:
        reference, namespace = binding.roleRef, entry.namespace
        role = (namespace if reference.kind == "Role" else CLUSTER, reference.name)
        kind, name = ("RoleBinding", f"{entry.name}/{namespace}") if namespace else ("ClusterRoleBinding", entry.name)
        places = self._places[entry.key] = []
        for subject in binding.subjects or ():
            key, shown = _subject_key(subject, namespace)
            words = f'RBAC: allowed by {kind} "{name}" of {reference.kind} "{reference.name}" to {shown}'
            place = (namespace, key)
            of_subject = self._grants.setdefault(place, {})
            if entry.key not in of_subject:
                of_subject[entry.key] = Grant(role, words)
                places.append(place)

    # questions

    def grants(self, user: User, namespace: str) -> Iterator[Grant]:
        """Cluster-wide grants first, then the namespace's ("": none)."""
        keys = [f"User {user.name}", *(f"Group {group}" for group in user.groups)]
        for scope in (CLUSTER, namespace) if namespace else (CLUSTER,):
            for key in keys:
                found = self._grants.get((scope, key))
                if found:
                    yield from found.values()

    def role(self, place: tuple[str, str]) -> tuple[Rule, ...] | None:
        """The rules of a role, None when there is no such role."""
        return self._roles.get(place)


def _subject_key(subject: _Subject, namespace: str) -> tuple[str, str]:
    """What a subject is found by, and how it is told of."""
    if subject.kind == "ServiceAccount":
        home = subject.namespace or namespace
        return f"User system:serviceaccount:{home}:{subject.name}", f'ServiceAccount "{subject.name}/{home}"'
    return f"{subject.kind} {subject.name}", f'{subject.kind} "{subject.name}"'
