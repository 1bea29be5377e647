"""Roles for people: cluster-admin, and the three that namespaces are shared with (admin, edit, view).

The three hold no rules of their own: a controller fills them with the rules of every cluster role that bears their
label, so that a custom resource's author can add to them.
"""

from __future__ import annotations

from typing import Any

from sampan.apiserver.auth.rbac.defaults.table import (
    ALL_VERBS,
    AUTHENTICATED,
    READ,
    UNAUTHENTICATED,
    WRITE,
    aggregate_to,
    cluster_binding,
    cluster_role,
    paths,
    rule,
)

HEALTH = "/healthz /livez /readyz"
VERSION = "/version /version/"

EDIT = (
    rule(READ, "pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy"),
    rule("impersonate", "serviceaccounts"),
    rule(WRITE, "pods pods/attach pods/exec pods/portforward pods/proxy"),
    rule("create", "pods/eviction"),
    rule(
        WRITE,
        "configmaps persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets serviceaccounts"
        " services services/proxy",
    ),
    rule("create", "serviceaccounts/token"),
    rule(WRITE, "events", ",events.k8s.io"),
    rule(
        WRITE,
        "daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets"
        " statefulsets/scale",
        "apps",
    ),
    rule(WRITE, "horizontalpodautoscalers", "autoscaling"),
    rule(WRITE, "cronjobs jobs", "batch"),
    rule(
        WRITE,
        "daemonsets deployments deployments/rollback deployments/scale ingresses networkpolicies replicasets"
        " replicasets/scale replicationcontrollers/scale",
        "extensions",
    ),
    rule(WRITE, "poddisruptionbudgets", "policy"),
    rule(WRITE, "ingresses networkpolicies", "networking.k8s.io"),
    rule(ALL_VERBS, "leases", "coordination.k8s.io"),
    rule(WRITE, "resourceclaims resourceclaimtemplates", "resource.k8s.io"),
)

VIEW = (
    rule(
        READ,
        "configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers"
        " replicationcontrollers/scale serviceaccounts services services/status",
    ),
    rule(
        READ,
        "bindings limitranges namespaces/status pods/log pods/status replicationcontrollers/status resourcequotas"
        " resourcequotas/status",
    ),
    rule(READ, "namespaces"),
    rule(READ, "events", ",events.k8s.io"),
    rule(READ, "endpointslices", "discovery.k8s.io"),
    rule(
        READ,
        "controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets"
        " replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status",
        "apps",
    ),
    rule(READ, "horizontalpodautoscalers horizontalpodautoscalers/status", "autoscaling"),
    rule(READ, "cronjobs cronjobs/status jobs jobs/status", "batch"),
    rule(
        READ,
        "daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses ingresses/status"
        " networkpolicies replicasets replicasets/scale replicasets/status replicationcontrollers/scale",
        "extensions",
    ),
    rule(READ, "poddisruptionbudgets poddisruptionbudgets/status", "policy"),
    rule(READ, "ingresses ingresses/status networkpolicies", "networking.k8s.io"),
    rule(READ, "resourceclaims resourceclaims/status resourceclaimtemplates", "resource.k8s.io"),
)

ROLES: tuple[Any, ...] = (
    cluster_role("cluster-admin", rule("*", "*", "*"), paths("*", "*")),
    cluster_role("admin", aggregate="admin"),
    cluster_role("edit", aggregate="edit", labels={aggregate_to("admin"): "true"}),
    cluster_role("view", aggregate="view", labels={aggregate_to("edit"): "true"}),
    cluster_role(
        "system:aggregate-to-admin",
        rule("create", "localsubjectaccessreviews", "authorization.k8s.io"),
        rule(ALL_VERBS, "roles rolebindings", "rbac.authorization.k8s.io"),
        labels={aggregate_to("admin"): "true"},
    ),
    cluster_role("system:aggregate-to-edit", *EDIT, labels={aggregate_to("edit"): "true"}),
    cluster_role("system:aggregate-to-view", *VIEW, labels={aggregate_to("view"): "true"}),
    cluster_role(
        "system:basic-user",
        rule("create", "selfsubjectaccessreviews selfsubjectrulesreviews", "authorization.k8s.io"),
        rule("create", "selfsubjectreviews", "authentication.k8s.io"),
    ),
    cluster_role("system:discovery", paths("get", f"/api /api/* /apis /apis/* /openapi /openapi/* {HEALTH} {VERSION}")),
    cluster_role("system:public-info-viewer", paths("get", f"{HEALTH} {VERSION}")),
    # The server that the reference conversations were recorded with has this role besides.
    cluster_role("system:openshift:public-info-viewer", paths("get", "/.well-known /.well-known/*")),
    cluster_role(
        "system:monitoring",
        paths("get", "/flagz /healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/* /statusz"),
        rule("get", "nodes/metrics"),
    ),
)

BINDINGS: tuple[Any, ...] = (
    cluster_binding("cluster-admin", "Group system:masters"),
    cluster_binding("system:basic-user", AUTHENTICATED),
    cluster_binding("system:discovery", AUTHENTICATED),
    cluster_binding("system:public-info-viewer", AUTHENTICATED, UNAUTHENTICATED),
    cluster_binding("system:openshift:public-info-viewer", AUTHENTICATED, UNAUTHENTICATED),
    cluster_binding("system:monitoring", "Group system:monitoring"),
)
