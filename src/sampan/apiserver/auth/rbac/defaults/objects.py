"""All default roles and bindings, marked as such."""

from __future__ import annotations

from typing import Any

from sampan.apiserver.auth.rbac.defaults import components, controllers, namespaced, own, users

LABEL = "kubernetes.io/bootstrapping"
DEFAULTS = "rbac-defaults"
AUTO_UPDATE = "rbac.authorization.kubernetes.io/autoupdate"


def everything() -> list[Any]:
    """New objects, roles before bindings."""
    import copy

    made = []
    for obj in (
        *(role for part in (users, components, controllers, namespaced) for role in part.ROLES),
        *(binding for part in (users, components, controllers, namespaced) for binding in part.BINDINGS),
    ):
        obj = copy.deepcopy(obj)
        obj.metadata.labels = {LABEL: DEFAULTS, **(obj.metadata.labels or {})}
        obj.metadata.annotations = {AUTO_UPDATE: "true"}
        made.append(obj)
    for obj in (*own.ROLES, *own.BINDINGS):
        obj = copy.deepcopy(obj)
        obj.metadata.annotations = {AUTO_UPDATE: "true"}
        made.append(obj)
    return made
