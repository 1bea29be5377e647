"""Tables of rbac.authorization.k8s.io."""

from __future__ import annotations

from typing import Any

from sampan.api.tables import AGE, NAME, Cells, Column, Table
from sampan.api.tables.cells import age, at


def binding(obj: Any, now: float) -> Cells:
    subjects = obj.subjects or []
    accounts = [f"{s.namespace}/{s.name}" if s.namespace else s.name for s in subjects if s.kind == "ServiceAccount"]
    return [
        obj.metadata.name,
        f"{at(obj, 'roleRef.kind', '')}/{at(obj, 'roleRef.name', '')}",
        age(obj, now),
        *(", ".join(s.name for s in subjects if s.kind == kind) for kind in ("User", "Group")),
        ", ".join(accounts),
    ]


def columns(kind: str, reference: str) -> tuple[Column, ...]:
    who = [Column(n, text=f"{n} in the {kind}", priority=1) for n in ("Users", "Groups", "ServiceAccounts")]
    return (NAME, Column("Role", text=reference), AGE, *who)


# The prose differs from today's schema: upstream shows that of an older version.
UNRESOLVED = "If the RoleRef cannot be resolved, the Authorizer must return an error."
ROLE_BINDING = columns(
    "roleBinding",
    f"RoleRef can reference a Role in the current namespace or a ClusterRole in the global namespace. {UNRESOLVED}",
)
CLUSTER_ROLE_BINDING = columns(
    "clusterRoleBinding", f"RoleRef can only reference a ClusterRole in the global namespace. {UNRESOLVED}"
)

TABLES = {
    "ClusterRoleBinding": Table(CLUSTER_ROLE_BINDING, binding),
    "RoleBinding": Table(ROLE_BINDING, binding),
}
