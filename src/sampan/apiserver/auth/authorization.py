"""The authorizers of a server in order, as `--authorization-mode` names them; what they know follows the watch cache.

https://kubernetes.io/docs/reference/access-authn-authz/authorization/
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sampan.api.kinds import authorization_v1
from sampan.apiserver.auth import authorizer
from sampan.apiserver.auth.node.authorizer import NodeAuthorizer, node_name
from sampan.apiserver.auth.node.graph import Graph
from sampan.apiserver.auth.rbac.authorizer import RbacAuthorizer
from sampan.apiserver.auth.rbac.index import Index
from sampan.apiserver.auth.rbac.rule import PolicyRule
from sampan.apiserver.auth.user import User
from sampan.apiserver.following import Source

MODES = ("AlwaysAllow", "AlwaysDeny", "Node", "RBAC")
NODE_RULES = "node authorizer does not support user rule resolution"


class Authorization:
    """`rbac` is None where that mode is off. Raises ValueError for an unknown mode."""

    def __init__(self, modes: Sequence[str]) -> None:
        for mode in modes:
            if mode not in MODES:
                raise ValueError(f'"{mode}" is not a valid authorization mode: known are {", ".join(MODES)}')
        self._modes = tuple(modes)
        self._index = Index()
        self._graph = Graph()
        self.rbac = RbacAuthorizer(self._index) if "RBAC" in modes else None
        ways: list[authorizer.Authorizer] = [authorizer.PrivilegedGroup(), authorizer.Health()]
        ways += [self._way(mode) for mode in modes]
        self.authorizer: authorizer.Authorizer = authorizer.Union(ways)

    def _way(self, mode: str) -> authorizer.Authorizer:
        if mode == "Node":
            return NodeAuthorizer(self._graph)
        if mode == "RBAC" and self.rbac is not None:
            return self.rbac
        return authorizer.Always(authorizer.Decision.ALLOW if mode == "AlwaysAllow" else authorizer.Decision.NO_OPINION)

    def follow(self, source: Source) -> None:
        """Fill what the authorizers know from the started watch cache, and keep it up to date."""
        if "RBAC" in self._modes:
            self._index.follow(source)
        if "Node" in self._modes:
            self._graph.follow(source)

    def rules(self, user: User, namespace: str) -> tuple[list[Any], list[Any], str]:
        """A user's permissions as resource rules and path rules, and why that is not all of them ("": it is)."""
        sources: list[PolicyRule] = []
        if "AlwaysAllow" in self._modes:
            sources = [PolicyRule(("*",), ("*",), ("*",)), PolicyRule(("*",), paths=("*",))]
        if self.rbac is not None:
            sources += [rule.source for rule in self.rbac.rules(user, namespace)]
        resources = [
            authorization_v1.ResourceRule(
                verbs=list(rule.verbs or ()),
                apiGroups=list(rule.apiGroups or ()) or None,
                resources=list(rule.resources or ()) or None,
                resourceNames=list(rule.names or ()) or None,
            )
            for rule in sources
            if rule.resources
        ]
        paths = [
            authorization_v1.NonResourceRule(verbs=list(rule.verbs or ()), nonResourceURLs=list(rule.paths))
            for rule in sources
            if rule.paths
        ]
        is_node = "Node" in self._modes and node_name(user) is not None
        return resources, paths, NODE_RULES if is_node else ""
