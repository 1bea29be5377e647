"""What the cluster's own programs may do: scheduler, controller manager, kubelet, proxy, DNS, and roles to give to
others (delegated authentication, approving certificates, adding volumes).
"""

from __future__ import annotations

from typing import Any

from sampan.apiserver.auth.rbac.defaults.table import (
    ALL_VERBS,
    READ,
    cluster_binding,
    cluster_role,
    events,
    paths,
    rule,
)

AUTHENTICATION = "authentication.k8s.io"
AUTHORIZATION = "authorization.k8s.io"
CERTIFICATES = "certificates.k8s.io"
COORDINATION = "coordination.k8s.io"
RESOURCE = "resource.k8s.io"
STORAGE = "storage.k8s.io"

DELEGATION = (
    rule("create", "tokenreviews", AUTHENTICATION),
    rule("create", "subjectaccessreviews", AUTHORIZATION),
)


def approver(signer: str) -> Any:
    """May approve certificate requests for one of the signers `kubernetes.io/<signer>`."""
    return cluster_role(
        f"system:certificates.k8s.io:{signer}-approver",
        rule("approve", "signers", CERTIFICATES, names=f"kubernetes.io/{signer}"),
    )


CONTROLLER_MANAGER = (
    events(),
    rule("create", "leases", COORDINATION),
    rule("get update", "leases", COORDINATION, names="kube-controller-manager"),
    rule("create", "secrets serviceaccounts"),
    rule("delete", "secrets"),
    rule("get", "configmaps namespaces secrets serviceaccounts"),
    rule("update", "secrets serviceaccounts"),
    *DELEGATION,
    rule("list watch", "*", "*"),
    rule("create", "serviceaccounts/token"),
)

SCHEDULER = (
    events(),
    rule("create", "leases", COORDINATION),
    rule("get list update watch", "leases", COORDINATION, names="kube-scheduler"),
    rule(ALL_VERBS, "leasecandidates", COORDINATION),
    rule(READ, "nodes"),
    rule("delete get list watch", "pods"),
    rule("create", "bindings pods/binding"),
    rule("patch update", "pods/status"),
    rule(READ, "replicationcontrollers services"),
    rule(READ, "replicasets", "apps,extensions"),
    rule(READ, "statefulsets", "apps"),
    rule(READ, "poddisruptionbudgets", "policy"),
    rule(READ, "persistentvolumeclaims persistentvolumes"),
    *DELEGATION,
    rule(READ, "csinodes", STORAGE),
    rule(READ, "volumeattachments", STORAGE),
    rule(READ, "namespaces"),
    rule(READ, "csidrivers", STORAGE),
    rule(READ, "csistoragecapacities", STORAGE),
    rule(READ, "deviceclasses", RESOURCE),
    rule(f"{READ} patch update", "resourceclaims", RESOURCE),
    rule(f"{READ} patch update", "resourceclaims/status", RESOURCE),
    rule("update", "pods/finalizers"),
    rule(READ, "resourceslices", RESOURCE),
    rule("create delete", "resourceclaims", RESOURCE),
    rule("patch update", "resourceclaims/binding", RESOURCE),
)

NODE = (
    rule("create", "tokenreviews", AUTHENTICATION),
    rule("create", "localsubjectaccessreviews subjectaccessreviews", AUTHORIZATION),
    rule(READ, "services"),
    rule(f"create {READ}", "nodes"),
    rule("patch update", "nodes/status"),
    rule("patch update", "nodes"),
    events(),
    rule(READ, "pods"),
    rule("create delete", "pods"),
    rule("patch update", "pods/status"),
    rule("create", "pods/eviction"),
    rule(READ, "configmaps secrets"),
    rule("get", "persistentvolumeclaims persistentvolumes"),
    rule("get", "endpoints"),
    rule(f"create {READ}", "certificatesigningrequests", CERTIFICATES),
    rule("create delete get patch update", "leases", COORDINATION),
    rule("get", "volumeattachments", STORAGE),
    rule("create", "serviceaccounts/token"),
    rule("get patch update", "persistentvolumeclaims/status"),
    rule(READ, "csidrivers", STORAGE),
    rule("create delete get patch update", "csinodes", STORAGE),
    rule(READ, "runtimeclasses", "node.k8s.io"),
    rule("get", "resourceclaims", RESOURCE),
    rule("deletecollection", "resourceslices", RESOURCE),
    rule("get", "serviceaccounts"),
)
"""The role system:node is bound to nobody: the node authorizer gives these rules, narrowed to what a node's pods use.
"""

ROLES: tuple[Any, ...] = (
    cluster_role("system:auth-delegator", *DELEGATION),
    *(
        cluster_role(
            f"system:certificates.k8s.io:certificatesigningrequests:{kind}",
            rule("create", f"certificatesigningrequests/{kind}", CERTIFICATES),
        )
        for kind in ("nodeclient", "selfnodeclient")
    ),
    *map(approver, ("kube-apiserver-client", "kube-apiserver-client-kubelet", "kubelet-serving", "legacy-unknown")),
    cluster_role(
        "system:heapster", rule(READ, "events namespaces nodes pods"), rule(READ, "deployments", "extensions")
    ),
    cluster_role("system:kube-aggregator", rule(READ, "endpoints services")),
    cluster_role("system:kube-controller-manager", *CONTROLLER_MANAGER),
    cluster_role("system:kube-dns", rule("list watch", "endpoints services")),
    cluster_role("system:kube-scheduler", *SCHEDULER),
    cluster_role(
        "system:kubelet-api-admin",
        rule(READ, "nodes"),
        rule("proxy", "nodes"),
        rule("*", "nodes/log nodes/metrics nodes/proxy nodes/stats"),
        rule("*", "nodes/configz nodes/healthz nodes/pods"),
    ),
    cluster_role("system:node", *NODE),
    cluster_role("system:node-bootstrapper", rule(f"create {READ}", "certificatesigningrequests", CERTIFICATES)),
    cluster_role("system:node-problem-detector", rule("get", "nodes"), rule("patch", "nodes/status"), events()),
    cluster_role(
        "system:node-proxier",
        rule("list watch", "endpoints services"),
        rule(READ, "nodes"),
        events(),
        rule("list watch", "servicecidrs", "networking.k8s.io"),
        rule("list watch", "endpointslices", "discovery.k8s.io"),
    ),
    cluster_role(
        "system:persistent-volume-provisioner",
        rule(f"create delete {READ}", "persistentvolumes"),
        rule(f"update {READ}", "persistentvolumeclaims"),
        rule(READ, "storageclasses", STORAGE),
        rule("watch", "events"),
        events(),
    ),
    cluster_role(
        "system:service-account-issuer-discovery",
        paths(
            "get",
            "/.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks /openid/v1/jwks/",
        ),
    ),
    cluster_role(
        "system:volume-scheduler",
        rule(f"patch update {READ}", "persistentvolumes"),
        rule(READ, "storageclasses", STORAGE),
        rule(f"patch update {READ}", "persistentvolumeclaims"),
    ),
)

BINDINGS: tuple[Any, ...] = (
    cluster_binding("system:kube-controller-manager", "User system:kube-controller-manager"),
    cluster_binding("system:kube-dns", "ServiceAccount kube-dns"),
    cluster_binding("system:kube-scheduler", "User system:kube-scheduler"),
    cluster_binding("system:volume-scheduler", "User system:kube-scheduler"),
    cluster_binding("system:node"),
    cluster_binding("system:node-proxier", "User system:kube-proxy"),
    cluster_binding("system:service-account-issuer-discovery", "Group system:serviceaccounts"),
)
