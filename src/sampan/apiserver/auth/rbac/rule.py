"""One policy rule, compiled: sets instead of lists, so that asking it costs a few look-ups.

A rule allows a request when its verbs, groups, resources and names (or its verbs and paths) all take the request in;
"*" takes in everything. A subresource is written `pods/log`, and `*/scale` means that subresource of any resource.
https://kubernetes.io/docs/reference/access-authn-authz/rbac/#referring-to-resources
"""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.apiserver.auth.authorizer import Attributes

ALL = "*"


class PolicyRule(msgspec.Struct, rename={"names": "resourceNames", "paths": "nonResourceURLs"}, frozen=True):
    """rbac/v1 PolicyRule as it is stored."""

    verbs: tuple[str, ...] | None = None
    apiGroups: tuple[str, ...] | None = None
    resources: tuple[str, ...] | None = None
    names: tuple[str, ...] | None = None
    paths: tuple[str, ...] | None = None


class Rule:
    """A compiled `PolicyRule`; `source` is what it was compiled from."""

    __slots__ = ("_groups", "_names", "_paths", "_prefixes", "_resources", "_verbs", "source")

    def __init__(self, source: PolicyRule) -> None:
        self.source = source
        self._verbs = frozenset(source.verbs or ())
        self._groups = frozenset(source.apiGroups or ())
        self._resources = frozenset(source.resources or ())
        self._names = frozenset(source.names or ())
        self._paths = frozenset(source.paths or ())
        self._prefixes = tuple(path.rstrip(ALL) for path in self._paths if path.endswith(ALL))

    def allows(self, asked: Attributes) -> bool:
        """Whether the rule takes the request in."""
        return self.covers(asked) and not (self._names and not asked.path and asked.name not in self._names)

    def names_objects(self, asked: Attributes) -> bool:
        """Whether it is the object's name that the rule's answer hangs on."""
        return bool(self._names) and not asked.path and self.covers(asked)

    def covers(self, asked: Attributes) -> bool:
        """Whether the rule is about such requests, whatever the object's name."""
        verbs = self._verbs
        if asked.verb not in verbs and ALL not in verbs:
            return False
        if asked.path:
            return asked.path in self._paths or (bool(self._prefixes) and asked.path.startswith(self._prefixes))
        return self._takes_group(asked.group) and self._takes_resource(asked)

    def _takes_group(self, group: str) -> bool:
        return group in self._groups or ALL in self._groups

    def _takes_resource(self, asked: Attributes) -> bool:
        resources = self._resources
        if ALL in resources:
            return True
        if not asked.subresource:
            return asked.resource in resources
        return f"{asked.resource}/{asked.subresource}" in resources or f"*/{asked.subresource}" in resources


def from_struct(rule: Any) -> PolicyRule:
    """A `PolicyRule` of an rbac/v1 PolicyRule struct."""
    return PolicyRule(
        tuple(rule.verbs or ()),
        tuple(rule.apiGroups or ()),
        tuple(rule.resources or ()),
        tuple(rule.resourceNames or ()),
        tuple(rule.nonResourceURLs or ()),
    )
