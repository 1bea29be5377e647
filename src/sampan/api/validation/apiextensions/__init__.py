"""Rules of the apiextensions.k8s.io group: the definitions of custom resources. Source: API reference v1.36; concepts,
"Extend the Kubernetes API with CustomResourceDefinitions"."""

from __future__ import annotations

from sampan.api.validation.apiextensions import definitions
from sampan.api.validation.rule import Rule

GROUP = "apiextensions.k8s.io"

RULES: dict[str, Rule] = {
    "CustomResourceDefinition": Rule(
        name=definitions.name,
        any_finalizer=True,
        create=definitions.create,
        update=definitions.update,
        subresources={"status": definitions.update_status},
    ),
}
