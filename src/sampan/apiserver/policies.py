"""What differs between kinds in how they are written and deleted, as upstream's per-kind strategies have it."""

from __future__ import annotations

from sampan.api.registry import Kind
from sampan.store.cache import Entry

CREATED_BY_UPDATE = frozenset(
    {
        ("", "endpoints"),
        ("", "events"),
        ("events.k8s.io", "events"),
        ("", "limitranges"),
        ("", "services"),
        ("coordination.k8s.io", "leases"),
        ("coordination.k8s.io", "leasecandidates"),
        ("rbac.authorization.k8s.io", "roles"),
        ("rbac.authorization.k8s.io", "rolebindings"),
        ("rbac.authorization.k8s.io", "clusterroles"),
        ("rbac.authorization.k8s.io", "clusterrolebindings"),
    }
)
"""Kinds that a PUT of an absent name creates."""

VERSION_NEEDED = frozenset(
    {
        ("coordination.k8s.io", "leases"),
        ("coordination.k8s.io", "leasecandidates"),
        ("policy", "poddisruptionbudgets"),
        ("storage.k8s.io", "csidrivers"),
        ("storage.k8s.io", "csinodes"),
        ("storage.k8s.io", "csistoragecapacities"),
        ("storage.k8s.io", "volumeattachments"),
        ("node.k8s.io", "runtimeclasses"),
        ("apiregistration.k8s.io", "apiservices"),
        ("apiextensions.k8s.io", "customresourcedefinitions"),
        ("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
        ("admissionregistration.k8s.io", "validatingadmissionpolicies"),
        ("admissionregistration.k8s.io", "validatingadmissionpolicybindings"),
        ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
        ("admissionregistration.k8s.io", "mutatingadmissionpolicies"),
        ("admissionregistration.k8s.io", "mutatingadmissionpolicybindings"),
        ("certificates.k8s.io", "clustertrustbundles"),
        ("certificates.k8s.io", "podcertificaterequests"),
        ("internal.apiserver.k8s.io", "storageversions"),
        ("resource.k8s.io", "resourcepoolstatusrequests"),
        ("storagemigration.k8s.io", "storageversionmigrations"),
    }
)
"""Kinds whose PUT must name a resourceVersion."""

DELETED_OBJECT_SHOWN = frozenset(
    {
        ("", "pods"),
        ("", "podtemplates"),
        ("", "services"),
        ("", "serviceaccounts"),
        ("", "persistentvolumes"),
        ("", "persistentvolumeclaims"),
        ("", "resourcequotas"),
        ("storage.k8s.io", "storageclasses"),
        ("storage.k8s.io", "csidrivers"),
        ("storage.k8s.io", "csinodes"),
        ("storage.k8s.io", "volumeattachments"),
        ("storage.k8s.io", "volumeattributesclasses"),
        ("resource.k8s.io", "deviceclasses"),
        ("resource.k8s.io", "resourceclaims"),
        ("resource.k8s.io", "resourceclaimtemplates"),
        ("resource.k8s.io", "resourceslices"),
    }
)
"""Kinds whose DELETE answers with the object; the others answer with a Status."""

ORPHANING = frozenset({("", "replicationcontrollers"), ("batch", "jobs")})
"""Kinds whose dependents are left alone when a delete does not say otherwise: so it was in their first clients' days.
"""

NOT_COLLECTED = frozenset({("", "events"), ("events.k8s.io", "events")})
"""Kinds the garbage collector leaves alone: propagation policies mean nothing to them."""

OLD_PLACES = {
    ("", "endpoints"): "services/endpoints",
    ("", "services"): "services/specs",
    ("", "nodes"): "minions",
    ("", "replicationcontrollers"): "controllers",
    ("networking.k8s.io", "ingresses"): "ingress",
    ("apiextensions.k8s.io", "customresourcedefinitions"): "apiextensions.k8s.io/customresourcedefinitions",
    ("apiregistration.k8s.io", "apiservices"): "apiregistration.k8s.io/apiservices",
}
"""Where upstream keeps objects in etcd, as far as its messages tell; everything else lies under its plural name."""


def registry_key(kind: Kind, entry: Entry) -> str:
    """An object's key as upstream's messages name it."""
    place = OLD_PLACES.get(kind.stored[:2], kind.plural)
    return f"/registry/{place}/{entry.namespace}/{entry.name}" if entry.namespace else f"/registry/{place}/{entry.name}"


def create_on_update(kind: Kind) -> bool:
    return (kind.group, kind.plural) in CREATED_BY_UPDATE


def unconditional_update(kind: Kind) -> bool:
    return (kind.group, kind.plural) not in VERSION_NEEDED


def shows_deleted(kind: Kind) -> bool:
    return (kind.group, kind.plural) in DELETED_OBJECT_SHOWN


def collected(kind: Kind) -> bool:
    return (kind.group, kind.plural) not in NOT_COLLECTED


def orphans(kind: Kind) -> bool:
    return (kind.group, kind.plural) in ORPHANING
