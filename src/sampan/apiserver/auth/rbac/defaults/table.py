"""The words the tables are written in."""

from __future__ import annotations

from typing import Any

from sampan.api.kinds import meta_v1, rbac_v1

API_GROUP = "rbac.authorization.k8s.io"
READ = "get list watch"
WRITE = "create delete deletecollection patch update"
ALL_VERBS = f"{READ} {WRITE}"
AUTHENTICATED = "Group system:authenticated"
UNAUTHENTICATED = "Group system:unauthenticated"


def rule(verbs: str, resources: str, group: str = "", *, names: str = "") -> Any:
    """A rule about resources; words are parted by spaces, several groups by commas (the legacy group is empty)."""
    return rbac_v1.PolicyRule(
        verbs=sorted(verbs.split()),
        apiGroups=sorted(group.split(",")),
        resources=sorted(resources.split()),
        resourceNames=sorted(names.split()) or None,
    )


def paths(verbs: str, urls: str) -> Any:
    """A rule about what is no resource."""
    return rbac_v1.PolicyRule(verbs=sorted(verbs.split()), nonResourceURLs=sorted(urls.split()))


def events() -> Any:
    """Reporting events, which nearly everybody does."""
    return rule("create patch update", "events", ",events.k8s.io")


def cluster_role(name: str, *rules: Any, aggregate: str = "", labels: dict[str, str] | None = None) -> Any:
    """`aggregate`: the label whose bearers' rules make up this role's."""
    aggregation = None
    if aggregate:
        selector = meta_v1.LabelSelector(matchLabels={aggregate_to(aggregate): "true"})
        aggregation = rbac_v1.AggregationRule(clusterRoleSelectors=[selector])
    meta = meta_v1.ObjectMeta(name=name, labels=labels)
    return rbac_v1.ClusterRole(metadata=meta, rules=list(rules) or None, aggregationRule=aggregation)


def aggregate_to(role: str) -> str:
    """The label that makes a cluster role part of another."""
    return f"{API_GROUP}/aggregate-to-{role}"


def role(namespace: str, name: str, *rules: Any) -> Any:
    return rbac_v1.Role(metadata=meta_v1.ObjectMeta(name=name, namespace=namespace), rules=list(rules))


def cluster_binding(name: str, *subjects: str, to: str = "") -> Any:
    """Binds the cluster role `to`, by default the one of the same name."""
    return rbac_v1.ClusterRoleBinding(
        metadata=meta_v1.ObjectMeta(name=name),
        subjects=[subject(text) for text in subjects] or None,
        roleRef=rbac_v1.RoleRef(apiGroup=API_GROUP, kind="ClusterRole", name=to or name),
    )


def binding(namespace: str, name: str, *subjects: str, to: str = "") -> Any:
    """Binds a role of the same namespace."""
    return rbac_v1.RoleBinding(
        metadata=meta_v1.ObjectMeta(name=name, namespace=namespace),
        subjects=[subject(text) for text in subjects],
        roleRef=rbac_v1.RoleRef(apiGroup=API_GROUP, kind="Role", name=to or name),
    )


def subject(text: str) -> Any:
    """`User name`, `Group name`, or `ServiceAccount name` (of kube-system)."""
    kind, name = text.split(" ", 1)
    if kind == "ServiceAccount":
        return rbac_v1.Subject(kind=kind, name=name, namespace="kube-system")
    return rbac_v1.Subject(kind=kind, name=name, apiGroup=API_GROUP)
