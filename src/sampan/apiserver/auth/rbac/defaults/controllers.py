"""A role for each controller, bound to the service account of its name in kube-system: `system:controller:<name>`."""

from __future__ import annotations

from typing import Any

from sampan.apiserver.auth.rbac.defaults.table import READ, cluster_binding, cluster_role, events, rule

CERTIFICATES = "certificates.k8s.io"
DISCOVERY = "discovery.k8s.io"
RESOURCE = "resource.k8s.io"
STORAGE = "storage.k8s.io"
OLD_APPS = "apps,extensions"
KUBELET_SIGNER = "kubernetes.io/kube-apiserver-client-kubelet"
SIGNERS = (
    f"kubernetes.io/kube-apiserver-client {KUBELET_SIGNER} kubernetes.io/kubelet-serving kubernetes.io/legacy-unknown"
)


def _parent(plural: str, group: str, verbs: str = f"update {READ}") -> tuple[Any, Any, Any]:
    """What a controller does with the kind it reconciles."""
    return (
        rule(verbs, plural, group),
        rule("update", f"{plural}/status", group),
        rule("update", f"{plural}/finalizers", group),
    )


OWNED_PODS = rule("create delete list patch watch", "pods")

CONTROLLERS: dict[str, tuple[Any, ...]] = {
    "attachdetach-controller": (
        rule("list watch", "persistentvolumeclaims persistentvolumes"),
        rule(READ, "nodes"),
        rule("patch update", "nodes/status"),
        rule("list watch", "pods"),
        events(),
        rule(f"create delete {READ}", "volumeattachments", STORAGE),
        rule(READ, "csidrivers", STORAGE),
        rule(READ, "csinodes", STORAGE),
    ),
    "certificate-controller": (
        rule(f"delete {READ}", "certificatesigningrequests", CERTIFICATES),
        rule("update", "certificatesigningrequests/approval certificatesigningrequests/status", CERTIFICATES),
        rule("approve", "signers", CERTIFICATES, names=KUBELET_SIGNER),
        rule("sign", "signers", CERTIFICATES, names=SIGNERS),
        rule("create", "subjectaccessreviews", "authorization.k8s.io"),
        events(),
    ),
    "clusterrole-aggregation-controller": (
        rule(f"escalate patch update {READ}", "clusterroles", "rbac.authorization.k8s.io"),
    ),
    "cronjob-controller": (
        rule(f"update {READ}", "cronjobs", "batch"),
        rule(f"create delete patch update {READ}", "jobs", "batch"),
        rule("update", "cronjobs/status", "batch"),
        rule("update", "cronjobs/finalizers", "batch"),
        rule("delete list watch", "pods"),
        events(),
    ),
    "daemon-set-controller": (
        *_parent("daemonsets", OLD_APPS, READ),
        rule("list watch", "nodes"),
        OWNED_PODS,
        rule("create", "pods/binding"),
        rule(f"create delete patch update {READ}", "controllerrevisions", "apps"),
        events(),
    ),
    "deployment-controller": (
        *_parent("deployments", OLD_APPS),
        rule(f"create delete patch update {READ}", "replicasets", OLD_APPS),
        rule(f"update {READ}", "pods"),
        events(),
    ),
    "device-taint-eviction-controller": (
        rule(f"delete {READ}", "pods"),
        rule("patch update", "pods/status"),
        rule(READ, "resourceclaims", RESOURCE),
        rule(READ, "resourceslices", RESOURCE),
        rule(READ, "deviceclasses", RESOURCE),
        events(),
    ),
    "disruption-controller": (
        rule(READ, "deployments", OLD_APPS),
        rule(READ, "replicasets", OLD_APPS),
        rule(READ, "replicationcontrollers"),
        rule(READ, "poddisruptionbudgets", "policy"),
        rule(READ, "statefulsets", "apps"),
        rule("update", "poddisruptionbudgets/status", "policy"),
        rule("patch update", "pods/status"),
        rule("get", "*/scale", "*"),
        events(),
    ),
    "endpoint-controller": (
        rule(READ, "pods services"),
        rule(f"create delete update {READ}", "endpoints"),
        rule("create", "endpoints/restricted"),
        events(),
    ),
    "endpointslice-controller": (
        rule(READ, "nodes pods services"),
        rule("update", "services/finalizers"),
        rule(f"create delete update {READ}", "endpointslices", DISCOVERY),
        rule("create", "endpointslices/restricted", DISCOVERY),
        events(),
    ),
    "endpointslicemirroring-controller": (
        rule(READ, "endpoints services"),
        rule("update", "services/finalizers"),
        rule("update", "endpoints/finalizers"),
        rule(f"create delete update {READ}", "endpointslices", DISCOVERY),
        rule("create", "endpointslices/restricted", DISCOVERY),
        events(),
    ),
    "ephemeral-volume-controller": (
        rule(READ, "pods"),
        rule("update", "pods/finalizers"),
        rule(f"create {READ}", "persistentvolumeclaims"),
        events(),
    ),
    "expand-controller": (
        rule(f"patch update {READ}", "persistentvolumes"),
        rule("patch update", "persistentvolumeclaims/status"),
        rule(READ, "persistentvolumeclaims"),
        events(),
    ),
    "generic-garbage-collector": (rule(f"delete patch update {READ}", "*", "*"), events()),
    "horizontal-pod-autoscaler": (
        rule(READ, "horizontalpodautoscalers", "autoscaling"),
        rule("update", "horizontalpodautoscalers/status", "autoscaling"),
        rule("get update", "*/scale", "*"),
        rule("list watch", "pods"),
        rule("list watch", "pods", "metrics.k8s.io"),
        rule(READ, "*", "custom.metrics.k8s.io"),
        rule(READ, "*", "external.metrics.k8s.io"),
        events(),
    ),
    "job-controller": (*_parent("jobs", "batch", f"patch update {READ}"), OWNED_PODS, events()),
    "legacy-service-account-token-cleaner": (
        rule("get", "configmaps", names="kube-apiserver-legacy-service-account-token-tracking"),
        rule("delete patch", "secrets"),
    ),
    "namespace-controller": (
        rule(f"delete {READ}", "namespaces"),
        rule("update", "namespaces/finalize namespaces/status"),
        rule(f"delete deletecollection {READ}", "*", "*"),
    ),
    "node-controller": (
        rule(f"delete patch update {READ}", "nodes"),
        rule("patch update", "nodes/status"),
        rule("patch update", "pods/status"),
        rule(f"delete {READ}", "pods"),
        events(),
    ),
    "persistent-volume-binder": (
        rule(f"create delete update {READ}", "persistentvolumes"),
        rule("update", "persistentvolumes/status"),
        rule(f"update {READ}", "persistentvolumeclaims"),
        rule("update", "persistentvolumeclaims/status"),
        rule(f"create delete {READ}", "pods"),
        rule(READ, "storageclasses", STORAGE),
        rule("list watch", "nodes"),
        events(),
        rule("watch", "events"),
    ),
    "pod-garbage-collector": (rule("delete list watch", "pods"), rule(READ, "nodes"), rule("patch", "pods/status")),
    "pv-protection-controller": (rule(f"update {READ}", "persistentvolumes"), events()),
    "pvc-protection-controller": (
        rule(f"update {READ}", "persistentvolumeclaims"),
        rule("update", "persistentvolumeclaims/status"),
        rule(READ, "pods"),
        events(),
    ),
    "replicaset-controller": (*_parent("replicasets", OLD_APPS), OWNED_PODS, events()),
    "replication-controller": (*_parent("replicationcontrollers", ""), OWNED_PODS, events()),
    "resource-claim-controller": (
        rule(READ, "pods"),
        rule("update", "pods/finalizers"),
        rule(f"create delete {READ}", "resourceclaims", RESOURCE),
        rule("patch update", "resourceclaims resourceclaims/status", RESOURCE),
        rule("patch update", "pods/status"),
        events(),
        rule("patch update", "resourceclaims/binding", RESOURCE),
    ),
    "resourcequota-controller": (
        rule("list watch", "*", "*"),
        rule("update", "resourcequotas/status"),
        events(),
    ),
    "root-ca-cert-publisher": (rule("create update", "configmaps"), events()),
    "route-controller": (rule("list watch", "nodes"), rule("patch", "nodes/status"), events()),
    "selinux-warning-controller": (
        events(),
        rule(READ, "persistentvolumes"),
        rule(READ, "persistentvolumeclaims"),
        rule(READ, "pods"),
        rule(READ, "csidrivers", STORAGE),
    ),
    "service-account-controller": (rule("create", "serviceaccounts"), events()),
    "service-ca-cert-publisher": (rule("create update", "configmaps"), events()),
    "service-cidrs-controller": (
        rule(f"patch update {READ}", "servicecidrs", "networking.k8s.io"),
        rule("patch update", "servicecidrs/finalizers", "networking.k8s.io"),
        rule("patch update", "servicecidrs/status", "networking.k8s.io"),
        rule(READ, "ipaddresses", "networking.k8s.io"),
        events(),
    ),
    "service-controller": (
        rule(READ, "services"),
        rule("patch update", "services/status"),
        rule("list watch", "nodes"),
        events(),
    ),
    "statefulset-controller": (
        rule("list watch", "pods"),
        *_parent("statefulsets", "apps", READ),
        rule("create delete get patch update", "pods"),
        rule(f"create delete patch update {READ}", "controllerrevisions", "apps"),
        rule(f"create {READ}", "persistentvolumeclaims"),
        rule("delete update", "persistentvolumeclaims"),
        rule("update", "pods/finalizers"),
        events(),
    ),
    "ttl-after-finished-controller": (rule(f"delete {READ}", "jobs", "batch"), events()),
    "ttl-controller": (rule("list patch update watch", "nodes"), events()),
    "validatingadmissionpolicy-status-controller": (
        rule(READ, "validatingadmissionpolicies", "admissionregistration.k8s.io"),
        rule("get patch update", "validatingadmissionpolicies/status", "admissionregistration.k8s.io"),
        events(),
    ),
    "volumeattributesclass-protection-controller": (
        rule(READ, "persistentvolumeclaims"),
        rule(READ, "persistentvolumes"),
        rule(f"update {READ}", "volumeattributesclasses", STORAGE),
        events(),
    ),
}

PREFIX = "system:controller:"
ROLES: tuple[Any, ...] = tuple(cluster_role(PREFIX + name, *rules) for name, rules in CONTROLLERS.items())
BINDINGS: tuple[Any, ...] = tuple(
    cluster_binding(PREFIX + name, f"ServiceAccount {name}", to=PREFIX + name) for name in CONTROLLERS
)
