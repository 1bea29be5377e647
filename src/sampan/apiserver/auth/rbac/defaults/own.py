"""What Sampan's components need beyond upstream's roles, because of how they are run.

Its controllers share one identity, `system:kube-controller-manager`, where upstream's have a service account each; so
that identity gets what each of them may do. Its DNS server is the user `system:kube-dns` and reads endpoint slices. The
API server's own identity towards kubelets may use their servers, and nothing else. A machine that joins with a token
may ask for a node's certificate and see whether its name is taken. A machine's network parts are `system:kube-proxy`,
for whom nodes may get a certificate: they read what the DNS server reads, and nodes, pods and policies, without which
there are no routes to other nodes and no guard before pods. A node itself reads what upstream lets it, and no more.
"""

from __future__ import annotations

from typing import Any

from sampan.apiserver.auth.rbac.defaults.controllers import CERTIFICATES, CONTROLLERS
from sampan.apiserver.auth.rbac.defaults.table import READ, cluster_binding, cluster_role, rule

REQUESTS = "system:certificates.k8s.io:certificatesigningrequests"
SERVING_SIGNER = "kubernetes.io/kubelet-serving"
CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client"
JOINING = "Group system:bootstrappers:sampan:default-node-token"
"""Whom the tokens of `sampan token create` make one."""


def _all_controllers() -> list[Any]:
    """Every controller's rules, each once. Whoever may update may also patch: that is how ours write."""
    rules: dict[str, Any] = {}
    for each in (each for rules_of_one in CONTROLLERS.values() for each in rules_of_one):
        verbs = set(each.verbs) | ({"patch"} if "update" in each.verbs else set())
        for group in each.apiGroups:
            for resource in each.resources:
                names = " ".join(each.resourceNames or ())
                widened = rule(" ".join(verbs), resource, group, names=names)
                key = f"{group} {resource} {names}"
                if key in rules:
                    widened.verbs = sorted({*rules[key].verbs, *widened.verbs})
                rules[key] = widened
    return list(rules.values())


ROLES: tuple[Any, ...] = (
    cluster_role("sampan:controllers", *_all_controllers()),
    cluster_role("sampan:kubelet-serving-approver", rule("approve", "signers", CERTIFICATES, names=SERVING_SIGNER)),
    cluster_role("sampan:nodeproxy-approver", rule("approve", "signers", CERTIFICATES, names=CLIENT_SIGNER)),
    cluster_role("sampan:get-nodes", rule("get", "nodes")),
    cluster_role("sampan:selfnodeserver", rule("create", "certificatesigningrequests/selfnodeserver", CERTIFICATES)),
    cluster_role("sampan:nodeproxy", rule("create", "certificatesigningrequests/nodeproxy", CERTIFICATES)),
    cluster_role(
        "sampan:dns",
        rule(READ, "endpoints namespaces nodes services"),
        rule(READ, "configmaps", names="kube-dns"),
        rule(READ, "endpointslices", "discovery.k8s.io"),
    ),
    # Who guards a node's pods has to know everybody's addresses and labels.
    cluster_role(
        "sampan:network-policy",
        rule(READ, "namespaces pods nodes"),
        rule(READ, "networkpolicies", "networking.k8s.io"),
    ),
    cluster_role(
        "sampan:ingress",
        rule(READ, "nodes secrets services"),
        rule(READ, "endpointslices", "discovery.k8s.io"),
        rule(READ, "ingresses", "networking.k8s.io"),
        rule(f"create {READ}", "ingressclasses", "networking.k8s.io"),
        rule("patch", "ingresses/status", "networking.k8s.io"),
        rule("create patch", "events"),
    ),
)

BINDINGS: tuple[Any, ...] = (
    cluster_binding("sampan:kubelet-serving-approver", "User system:kube-controller-manager"),
    cluster_binding("sampan:nodeproxy-approver", "User system:kube-controller-manager"),
    cluster_binding("sampan:selfnodeserver", "Group system:nodes"),
    cluster_binding("sampan:selfnodeclient", "Group system:nodes", to=f"{REQUESTS}:selfnodeclient"),
    cluster_binding("sampan:nodeclient", JOINING, to=f"{REQUESTS}:nodeclient"),
    cluster_binding("sampan:get-nodes", JOINING),
    cluster_binding("sampan:nodeproxy", "Group system:nodes"),
    cluster_binding("sampan:node-bootstrapper", JOINING, to="system:node-bootstrapper"),
    cluster_binding("sampan:kubelet-api-admin", "User kube-apiserver-kubelet-client", to="system:kubelet-api-admin"),
    cluster_binding("sampan:controllers", "User system:kube-controller-manager"),
    cluster_binding("sampan:dns", "User system:kube-dns"),
    cluster_binding("sampan:ingress", "User sampan:ingress"),
    # Service proxy and DNS of a machine watch as one, by the proxy's certificate.
    cluster_binding("sampan:network-policy", "User system:kube-proxy"),
    cluster_binding("sampan:proxy-dns", "User system:kube-proxy", to="sampan:dns"),
)
