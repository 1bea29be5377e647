"""Roles and bindings of kube-system and kube-public."""

from __future__ import annotations

from typing import Any

from sampan.apiserver.auth.rbac.defaults.table import READ, binding, events, role, rule

SYSTEM, PUBLIC = "kube-system", "kube-public"
READER = "extension-apiserver-authentication-reader"
SIGNER = "system:controller:bootstrap-signer"
COORDINATION = "coordination.k8s.io"
LOCK = tuple(rule(f"create update {READ}", kind, COORDINATION) for kind in ("leases", "leasecandidates"))


def _locking(component: str) -> str:
    return f"system::leader-locking-{component}"


ROLES: tuple[Any, ...] = (
    role(SYSTEM, READER, rule(READ, "configmaps", names="extension-apiserver-authentication")),
    role(SYSTEM, _locking("kube-controller-manager"), *LOCK),
    role(SYSTEM, _locking("kube-scheduler"), *LOCK),
    role(SYSTEM, SIGNER, rule(READ, "secrets")),
    role(SYSTEM, "system:controller:cloud-provider", rule(f"create {READ}", "configmaps")),
    role(SYSTEM, "system:controller:token-cleaner", rule(f"delete {READ}", "secrets"), events()),
    role(PUBLIC, SIGNER, rule(READ, "configmaps"), rule("update", "configmaps", names="cluster-info"), events()),
)

BINDINGS: tuple[Any, ...] = (
    binding(
        SYSTEM, f"system::{READER}", "User system:kube-controller-manager", "User system:kube-scheduler", to=READER
    ),
    binding(
        SYSTEM,
        _locking("kube-controller-manager"),
        "User system:kube-controller-manager",
        "ServiceAccount kube-controller-manager",
        "ServiceAccount leader-election-controller",
    ),
    binding(SYSTEM, _locking("kube-scheduler"), "User system:kube-scheduler", "ServiceAccount kube-scheduler"),
    binding(SYSTEM, SIGNER, "ServiceAccount bootstrap-signer"),
    binding(SYSTEM, "system:controller:cloud-provider", "ServiceAccount cloud-provider"),
    binding(SYSTEM, "system:controller:token-cleaner", "ServiceAccount token-cleaner"),
    binding(PUBLIC, SIGNER, "ServiceAccount bootstrap-signer"),
)
