"""A kubelet may only write what is its own: its Node, the pods bound to it, its lease, and nothing that would widen it.

The node authorizer lets kubelets through by name where it can; what only the object tells is checked here.
https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, ClassVar

import msgspec

from sampan.api import errors
from sampan.apiserver.admission.certificatesigning import common_names
from sampan.apiserver.admission.nodetokens import check_token
from sampan.apiserver.admission.plugin import Plugin, forbid
from sampan.apiserver.auth.node.authorizer import LEASES, PREFIX, node_name
from sampan.apiserver.auth.node.graph import references
from sampan.apiserver.write import CREATE, DELETE, UPDATE, Write

MIRROR = "kubernetes.io/config.mirror"
OWN_LABELS = frozenset(
    {
        "kubernetes.io/hostname",
        "kubernetes.io/os",
        "kubernetes.io/arch",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/arch",
        "beta.kubernetes.io/instance-type",
        "node.kubernetes.io/instance-type",
        "failure-domain.beta.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone",
        "topology.kubernetes.io/region",
        "topology.kubernetes.io/zone",
    }
)
OWN_PREFIXES = ("kubelet.kubernetes.io", "node.kubernetes.io")
RESERVED = ("kubernetes.io", "k8s.io")
NODE_SIGNERS = frozenset({"kubernetes.io/kubelet-serving", "kubernetes.io/kube-apiserver-client-kubelet"})
RESTRICTED = "node-restriction.kubernetes.io"


OWN_PODS = {
    DELETE: '"{}" can only delete pods',
    UPDATE: '"{}" can only update pod status for pods',
    CREATE: "{} can only evict pods",
}
"""What a node may do to its own pods alone; CREATE is an eviction's."""


class NodeRestriction(Plugin):
    """Only looks at what users of system:nodes write."""

    name = "NodeRestriction"
    operations: ClassVar[frozenset[str]] = frozenset({CREATE, UPDATE, DELETE})
    subresources: ClassVar[frozenset[str]] = frozenset({"*"})
    resources: ClassVar[frozenset[tuple[str, str]]] = frozenset(
        {
            ("", "pods"),
            ("", "nodes"),
            ("", "serviceaccounts"),
            ("", "persistentvolumeclaims"),
            ("coordination.k8s.io", "leases"),
            ("storage.k8s.io", "csinodes"),
            ("resource.k8s.io", "resourceslices"),
            ("certificates.k8s.io", "certificatesigningrequests"),
        }
    )

    def mutate(self, write: Write) -> Awaitable[None] | None:
        node = node_name(write.request.user)
        if node is None:
            return None
        if not node:
            raise forbid(write, f'could not determine node from user "{write.request.user.name}"')
        return CHECKS[write.resource.plural](self, write, node)

    def _pod(self, write: Write, node: str) -> None:
        if write.subresource == "status":
            self._pod_status(write, node)
        elif write.subresource == "eviction":
            self._eviction(write, node)
        elif write.subresource:
            why = "only 'status' and 'eviction' are allowed"
            raise forbid(write, f'unexpected pod subresource "{write.subresource}", {why}')
        elif write.operation == CREATE:
            self._mirror_pod(write, node)
        elif write.operation == DELETE:
            self.own_pod(write, node, write.old)
        else:
            why = f'node "{node}" can only create and delete mirror pods'
            raise forbid(write, f'unexpected operation "{write.operation}", {why}')

    def own_pod(self, write: Write, node: str, pod: Any) -> None:
        """Raises Forbidden for a pod that is not bound to the node."""
        bound = pod.spec.nodeName if pod.spec is not None else None
        if bound != node:
            raise forbid(write, f"node {OWN_PODS[write.operation].format(node)} with spec.nodeName set to itself")

    def _eviction(self, write: Write, node: str) -> None:
        entry = self.server.cache.resource("", "pods").get(write.namespace, write.name)
        if entry is None:
            raise errors.not_found("", "pods", write.name)
        self.own_pod(write, node, self.server.decoded(entry))

    def _pod_status(self, write: Write, node: str) -> None:
        self.own_pod(write, node, write.old)
        new, old = write.new, write.old
        if (new.metadata.labels or {}) != (old.metadata.labels or {}):
            raise forbid(write, f'node "{node}" cannot update labels through pod status')
        for field in ("resourceClaimStatuses", "extendedResourceClaimStatus"):
            before, after = (getattr(pod.status, field, None) if pod.status is not None else None for pod in (old, new))
            if (before or None) != (after or None):
                raise forbid(write, f'node "{node}" cannot update resource claim statues')

    def _mirror_pod(self, write: Write, node: str) -> None:
        pod = write.new
        if MIRROR not in (pod.metadata.annotations or {}):
            raise forbid(write, f'pod does not have "{MIRROR}" annotation, node "{node}" can only create mirror pods')
        if pod.spec is None or pod.spec.nodeName != node:
            raise forbid(write, f'node "{node}" can only create pods with spec.nodeName set to itself')
        self._owned_by_node(write, node, pod.metadata.ownerReferences or ())
        for plural, _, _ in (*references(pod), *_unrelated(pod)):
            raise forbid(write, f'node "{node}" can not create pods that reference {_words(plural)}')

    def _owned_by_node(self, write: Write, node: str, owners: Sequence[Any]) -> None:
        """A mirror pod goes with its node: so it is collected when the node goes, and nobody else's deletion waits."""
        if len(owners) > 1:
            raise forbid(write, f'node "{node}" can only create pods with a single owner reference set to itself')
        own = [one for one in owners if (one.apiVersion, one.kind, one.name) == ("v1", "Node", node)]
        if not own:
            raise forbid(write, f'node "{node}" can only create pods with an owner reference set to itself')
        if not own[0].controller:
            raise forbid(write, f'node "{node}" can only create pods with a controller owner reference set to itself')
        if own[0].blockOwnerDeletion:
            raise forbid(write, f'node "{node}" must not set blockOwnerDeletion on an owner reference')
        entry = self.server.cache.resource("", "nodes").get(None, node)
        if entry is None:
            raise errors.not_found("", "nodes", node)
        uid = self.server.decoded(entry).metadata.uid
        if own[0].uid != uid:
            raise forbid(write, f"node {node} UID mismatch: expected {own[0].uid} got {uid}")

    def _node(self, write: Write, node: str) -> None:
        name = _name(write)
        if name != node:
            raise forbid(write, f'node "{node}" is not allowed to modify node "{name}"')
        if write.operation == DELETE:
            raise forbid(write, f'node "{node}" is not allowed to delete itself')
        new, old = write.new, write.old
        if old is not None:
            taints = [(obj.spec.taints if obj.spec is not None else None) or [] for obj in (new, old)]
            if taints[0] != taints[1]:
                raise forbid(write, f'node "{node}" is not allowed to modify taints')
            if new.metadata.ownerReferences != old.metadata.ownerReferences:
                raise forbid(write, f'node "{node}" is not allowed to modify ownerReferences')
        elif new.metadata.ownerReferences:
            raise forbid(write, f'node "{node}" is not allowed to set ownerReferences')
        wrong = forbidden_labels(new.metadata.labels or {}, (old.metadata.labels if old is not None else None) or {})
        if wrong and old is None:
            raise forbid(write, f'node "{node}" is not allowed to set the following labels: {", ".join(wrong)}')
        if wrong:
            raise forbid(write, f"is not allowed to modify labels: {', '.join(wrong)}")

    def _account(self, write: Write, node: str) -> Awaitable[None] | None:
        return check_token(write, node) if write.subresource == "token" else None

    def _claim(self, write: Write, node: str) -> None:
        if write.operation != UPDATE or write.subresource != "status":
            raise forbid(write, "may only update PVC status")
        if _fixed_of_claim(write.new) != _fixed_of_claim(write.old):
            why = "is not allowed to update fields other than status.capacity and status.conditions"
            raise forbid(write, f'node "{node}" {why}')

    def _lease(self, write: Write, node: str) -> None:
        if write.namespace != LEASES:
            raise forbid(write, f'can only access leases in the "{LEASES}" system namespace')
        self._named_as_itself(write, node, "node lease")

    def _csi_node(self, write: Write, node: str) -> None:
        self._named_as_itself(write, node, "CSINode")

    def _named_as_itself(self, write: Write, node: str, what: str) -> None:
        if _name(write) != node:
            raise forbid(write, f"can only access {what} with the same name as the requesting node")

    def _slice(self, write: Write, node: str) -> None:
        """What it may change the authorizer has found out; deletecollection comes here for each."""
        obj = write.new if write.operation == CREATE else write.old
        if write.operation != UPDATE and (obj.spec is None or obj.spec.nodeName != node):
            verb = write.operation.lower()
            raise forbid(write, f"can only {verb} ResourceSlice with the same NodeName as the requesting node")

    def _certificate_request(self, write: Write, node: str) -> None:
        """To a kubelet's signers it may name nobody but itself (upstream since 1.31)."""
        spec = write.new.spec
        if write.operation != CREATE or spec is None or spec.signerName not in NODE_SIGNERS:
            return
        try:
            names = common_names(spec.request or "")
        except ValueError as error:
            raise forbid(write, f"unable to parse csr: {error}") from None
        if names != [PREFIX + node]:
            raise forbid(write, f"can only create a node CSR with CN={PREFIX}{node}")


def _name(write: Write) -> str:
    """Also of what is being made, whose name is not in the path."""
    return write.name or (write.new.metadata.name or "" if write.new is not None else "")


FREE_OF_CLAIM = ("capacity", "conditions", "allocatedResources", "allocatedResourceStatuses")


def _fixed_of_claim(claim: Any) -> Any:
    """What of a claim a kubelet that resizes its volume has to leave as it is."""
    value = msgspec.to_builtins(claim)
    for name in FREE_OF_CLAIM:
        value.get("status", {}).pop(name, None)
    for name in ("resourceVersion", "managedFields"):
        value["metadata"].pop(name, None)
    return {name: part for name, part in value.items() if part}


CHECKS: dict[str, Callable[[NodeRestriction, Write, str], Awaitable[None] | None]] = {
    "pods": NodeRestriction._pod,
    "nodes": NodeRestriction._node,
    "serviceaccounts": NodeRestriction._account,
    "persistentvolumeclaims": NodeRestriction._claim,
    "leases": NodeRestriction._lease,
    "csinodes": NodeRestriction._csi_node,
    "certificatesigningrequests": NodeRestriction._certificate_request,
    "resourceslices": NodeRestriction._slice,
}


def _unrelated(pod: Any) -> Iterator[tuple[str, str, str]]:
    """What a pod refers to that opens nothing to its node."""
    for volume in pod.spec.volumes or ():
        for source in (volume.projected.sources if volume.projected is not None else None) or ():
            if source.clusterTrustBundle is not None:
                yield "clustertrustbundles", "", source.clusterTrustBundle.name or ""
    for claim in pod.spec.resourceClaims or ():
        yield "resourceclaims", "", claim.name


def _words(plural: str) -> str:
    return {"serviceaccounts": "a service account"}.get(plural, plural)


def forbidden_labels(new: dict[str, str], old: dict[str, str]) -> list[str]:
    """Labels that differ and that a kubelet may not touch, sorted: those of kubernetes.io and k8s.io but a few."""
    changed = {name for name in {*new, *old} if new.get(name) != old.get(name)}
    return sorted(name for name in changed if not _may_set(name))


def _may_set(label: str) -> bool:
    domain = label.partition("/")[0] if "/" in label else ""
    if _within(domain, (RESTRICTED,)):
        return False
    if not _within(domain, RESERVED):
        return True
    return label in OWN_LABELS or _within(domain, OWN_PREFIXES)


def _within(domain: str, parents: tuple[str, ...]) -> bool:
    return any(domain == parent or domain.endswith("." + parent) for parent in parents)
