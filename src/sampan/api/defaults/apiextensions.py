"""Defaults of apiextensions.k8s.io and apiregistration.k8s.io. Source: API reference v1.36."""

from __future__ import annotations

from typing import Any

from sampan.api.kinds import apiextensions_v1

CONSTANTS: dict[str, dict[str, Any]] = {
    "apiextensions_v1.ServiceReference": {"port": 443},
    "apiregistration_v1.ServiceReference": {"port": 443},
}


def definition(o: Any) -> None:
    spec, status = o.spec, o.status
    if spec is None:
        return
    if not status.storedVersions:
        status.storedVersions = [v.name or "" for v in spec.versions or () if v.storage] or None


def definition_spec(o: Any) -> None:
    if o.names is not None:
        singular_and_list(o.names)
    if o.conversion is None:
        o.conversion = apiextensions_v1.CustomResourceConversion(strategy="None")


def singular_and_list(names: Any) -> None:
    """The singular is the kind in lower case, the list's kind the kind with "List" behind it."""
    if not names.singular:
        names.singular = (names.kind or "").lower() or None
    if not names.listKind and names.kind:
        names.listKind = f"{names.kind}List"


HOOKS = {
    "apiextensions_v1.CustomResourceDefinition": definition,
    "apiextensions_v1.CustomResourceDefinitionSpec": definition_spec,
}
