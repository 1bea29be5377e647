"""Pods run as a service account: `default` unless they say otherwise.

The account's token volume and image pull secrets come with service-account tokens (issue 5); until tokens are issued a
projected volume would keep every pod from starting.
"""

from __future__ import annotations

from typing import ClassVar

from sampan.apiserver.admission.plugin import Plugin
from sampan.apiserver.write import Write

MIRROR = "kubernetes.io/config.mirror"
DEFAULT = "default"


class ServiceAccount(Plugin):
    """Fills in spec.serviceAccountName."""

    name = "ServiceAccount"
    resources: ClassVar[frozenset[tuple[str, str]]] = frozenset({("", "pods")})
    operations: ClassVar[frozenset[str]] = frozenset({"CREATE"})

    def mutate(self, write: Write) -> None:
        pod = write.new
        if MIRROR in (pod.metadata.annotations or {}):
            return
        spec = pod.spec
        if spec is not None and not spec.serviceAccountName:
            spec.serviceAccountName = spec.serviceAccount = DEFAULT
