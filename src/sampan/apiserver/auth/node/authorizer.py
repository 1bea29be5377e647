"""The node authorizer: a kubelet (`system:node:<name>` of `system:nodes`) may do what the role system:node says, but of
objects that pods use only those its own pods use, and of nodes, leases and the like only its own.

https://kubernetes.io/docs/reference/access-authn-authz/node/
"""

from __future__ import annotations

from collections.abc import Callable

from sampan.apiserver.auth.authorizer import Attributes, Decision
from sampan.apiserver.auth.node.graph import Graph
from sampan.apiserver.auth.rbac.defaults.components import NODE
from sampan.apiserver.auth.rbac.rule import Rule, from_struct
from sampan.apiserver.auth.user import User

GROUP = "system:nodes"
PREFIX = "system:node:"
LEASES = "kube-node-lease"
ALLOW = (Decision.ALLOW, "")
NOTHING = (Decision.NO_OPINION, "")
OWN_VERBS = ("get", "create", "update", "patch", "delete")
Answer = tuple[Decision, str]


def node_name(user: User) -> str | None:
    """The node a user speaks for, "" when it cannot be told which, None for anybody else."""
    if GROUP not in user.groups:
        return None
    return user.name[len(PREFIX) :] if user.name.startswith(PREFIX) else ""


class NodeAuthorizer:
    """Decides for nodes only, and never denies: what it does not allow, a role may."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._rules = tuple(Rule(from_struct(rule)) for rule in NODE)
        self._special: dict[tuple[str, str], Callable[[str, Attributes], Answer]] = {
            ("", "secrets"): self._read_related,
            ("", "configmaps"): self._read_related,
            ("", "persistentvolumeclaims"): self._claim,
            ("", "persistentvolumes"): self._get_related,
            ("", "serviceaccounts"): self._service_account,
            ("", "nodes"): self._node,
            ("", "pods"): self._pod,
            ("resource.k8s.io", "resourceclaims"): self._get_related,
            ("resource.k8s.io", "resourceslices"): self._slice,
            ("storage.k8s.io", "volumeattachments"): self._get_related,
            ("storage.k8s.io", "csinodes"): self._csi_node,
            ("coordination.k8s.io", "leases"): self._lease,
        }

    def decide(self, user: User, attributes: Attributes) -> Answer:
        node = node_name(user)
        if node is None:
            return NOTHING
        if not node:
            return Decision.NO_OPINION, f'unknown node for user "{user.name}"'
        special = None if attributes.path else self._special.get((attributes.group, attributes.resource))
        return special(node, attributes) if special is not None else self._by_rules(attributes)

    def _by_rules(self, asked: Attributes) -> Answer:
        return ALLOW if any(rule.allows(asked) for rule in self._rules) else NOTHING

    def _related(self, node: str, asked: Attributes) -> Answer:
        if not asked.name:
            return _no("No Object name found")
        vertex = (asked.resource, asked.namespace, asked.name)
        if self._graph.reaches(node, vertex):
            return ALLOW
        return _no(f"no relationship found between node '{node}' and this object")

    def _read_related(self, node: str, asked: Attributes) -> Answer:
        if asked.verb not in ("get", "list", "watch"):
            return _no("can only read resources of this type")
        if asked.subresource:
            return _no("cannot read subresource")
        if not asked.namespace:
            return _no("can only read namespaced object of this type")
        return self._related(node, asked)

    def _get_related(self, node: str, asked: Attributes) -> Answer:
        if asked.verb != "get":
            return _no("can only get individual resources of this type")
        if asked.subresource:
            return _no("cannot get subresource")
        return self._related(node, asked)

    def _claim(self, node: str, asked: Attributes) -> Answer:
        if asked.subresource != "status":
            return self._get_related(node, asked)
        if asked.verb not in ("update", "patch"):
            return _no("can only get/update/patch this type")
        return self._related(node, asked)

    def _service_account(self, node: str, asked: Attributes) -> Answer:
        if asked.verb == "get" and not asked.subresource:
            return self._related(node, asked)
        if asked.verb != "create" or not asked.name:
            return _no("can only create tokens for individual service accounts")
        if asked.subresource != "token":
            return _no("can only create token subresource of serviceaccount")
        return self._related(node, asked)

    def _node(self, node: str, asked: Attributes) -> Answer:
        if asked.subresource:
            return ALLOW if asked.subresource == "status" and asked.verb in ("update", "patch") else NOTHING
        if asked.verb in ("create", "update", "patch"):
            # NodeRestriction sees to it that the node is its own: a create's name is not known before it is decoded.
            return ALLOW
        if asked.verb not in ("get", "list", "watch"):
            return NOTHING
        if asked.name == node:
            return ALLOW
        which = f"'{asked.name}'" if asked.name else "all nodes"
        return _no(f"node '{node}' cannot read {which}, only its own Node object")

    def _pod(self, node: str, asked: Attributes) -> Answer:
        if asked.verb in ("list", "watch") and not asked.subresource:
            if _selects(asked, "spec.nodeName", node):
                return ALLOW
            if asked.name:
                return self._related(node, asked)
            return _no("can only list/watch pods with spec.nodeName field selector")
        if asked.verb == "get":
            return self._get_related(node, asked)
        # Creating mirror pods, deleting, evicting and reporting: NodeRestriction sees to it that they are its own.
        return self._by_rules(asked)

    def _slice(self, node: str, asked: Attributes) -> Answer:
        if asked.subresource:
            return _no("cannot authorize ResourceSlice subresources")
        if asked.verb == "create":
            return ALLOW
        if asked.verb in OWN_VERBS:
            return self._related(node, asked)
        if asked.verb in ("watch", "list", "deletecollection"):
            if _selects(asked, "spec.nodeName", node):
                return ALLOW
            return _no("can only list/watch/deletecollection resourceslices with nodeName field selector")
        verbs = "get, watch, list, create, update, patch, delete, deletecollection"
        return _no(f"only the following verbs are allowed for a ResourceSlice: {verbs}")

    def _csi_node(self, node: str, asked: Attributes) -> Answer:
        if asked.subresource:
            return _no("cannot authorize CSINode subresources")
        return self._own(node, asked, "CSINode", "CSINode")

    def _lease(self, node: str, asked: Attributes) -> Answer:
        if asked.namespace != LEASES and asked.verb in OWN_VERBS:
            return _no(f'can only access leases in the "{LEASES}" system namespace')
        return self._own(node, asked, "node lease", "node lease")

    def _own(self, node: str, asked: Attributes, one: str, named: str) -> Answer:
        if asked.verb not in OWN_VERBS:
            return _no(f"can only get, create, update, patch, or delete a {one}")
        if asked.verb != "create" and asked.name != node:
            return _no(f"can only access {named} with the same name as the requesting node")
        return ALLOW


def _selects(asked: Attributes, field: str, value: str) -> bool:
    return any(r.key == field and r.operator in ("In", "=") and r.values == (value,) for r in asked.fields)


def _no(reason: str) -> Answer:
    return Decision.NO_OPINION, reason
