"""Defaults of the rbac.authorization.k8s.io group. Source: API reference v1.36."""

from __future__ import annotations

from typing import Any

GROUP = "rbac.authorization.k8s.io"

CONSTANTS: dict[str, dict[str, Any]] = {}


def role_ref(o: Any) -> None:
    if not o.apiGroup:
        o.apiGroup = GROUP


def subject(o: Any) -> None:
    """Users and groups belong to RBAC's own group, service accounts to the core group."""
    if not o.apiGroup and o.kind in ("User", "Group"):
        o.apiGroup = GROUP


HOOKS = {"rbac_v1.RoleRef": role_ref, "rbac_v1.Subject": subject}
