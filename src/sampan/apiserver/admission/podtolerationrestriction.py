"""Which taints a namespace's pods tolerate: defaults that join each pod's, and the only ones there may be.

Both come from annotations of the namespace (JSON lists of tolerations), else from the plugin's configuration.
https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#podtolerationrestriction
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec

from sampan.api.kinds import core_v1
from sampan.apiserver.admission.configuration import check_type, convert
from sampan.apiserver.admission.plugin import Plugin, forbid
from sampan.apiserver.write import CREATE, Write

DEFAULTS = "scheduler.alpha.kubernetes.io/defaultTolerations"
ALLOWED = "scheduler.alpha.kubernetes.io/tolerationsWhitelist"
VERSIONS = ("podtolerationrestriction.admission.k8s.io/v1alpha1",)
MEMORY_PRESSURE = "node.kubernetes.io/memory-pressure"
Tolerations = Sequence[Any]
_decode = msgspec.json.Decoder(list[core_v1.Toleration]).decode


class _Configuration(msgspec.Struct, forbid_unknown_fields=True):
    apiVersion: str
    kind: str
    default: list[Any] = []
    whitelist: list[Any] = []


class PodTolerationRestriction(Plugin):
    """Off by default, as upstream."""

    name = "PodTolerationRestriction"
    on_by_default = False
    resources: ClassVar[frozenset[tuple[str, str]]] = frozenset({("", "pods")})

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self._defaults: Tolerations = ()
        self._allowed: Tolerations = ()

    def configure(self, settings: Any) -> None:
        check_type(settings, VERSIONS, "Configuration")
        read = convert(settings, _Configuration, where=self.name)
        self._defaults = convert(read.default, list[core_v1.Toleration], where="default")
        self._allowed = convert(read.whitelist, list[core_v1.Toleration], where="whitelist")

    def mutate(self, write: Write) -> None:
        spec = write.new.spec
        if spec is None:
            return
        extra: list[Any] = []
        if write.operation == CREATE:
            said = self._said(write, DEFAULTS)
            extra += self._defaults if said is None else said
        if asks_for_something(write.new):
            extra.append(core_v1.Toleration(key=MEMORY_PRESSURE, operator="Exists", effect="NoSchedule"))
        spec.tolerations = merged([*(spec.tolerations or ()), *extra]) or None

    def validate(self, write: Write) -> None:
        spec = write.new.spec
        if spec is None or not spec.tolerations:
            return
        said = self._said(write, ALLOWED)
        allowed = self._allowed if said is None else said
        if allowed and not all(any(covers(one, toleration) for one in allowed) for toleration in spec.tolerations):
            told = "pod tolerations (possibly merged with namespace default tolerations)"
            raise forbid(write, f"{told} conflict with its namespace whitelist")

    def _said(self, write: Write, annotation: str) -> Tolerations | None:
        """What the namespace says; None when it says nothing."""
        entry = self.server.namespaces.get(None, write.namespace)
        annotations = self.server.decoded(entry).metadata.annotations if entry is not None else None
        text = (annotations or {}).get(annotation)
        if text is None:
            return None
        try:
            return _decode(text) if text else []
        except (msgspec.MsgspecError, RecursionError) as error:
            raise forbid(write, f"annotation {annotation} of namespace {write.namespace}: {error}") from None


def asks_for_something(pod: Any) -> bool:
    """Pods of any class but best effort stay where memory runs short."""
    containers = (*(pod.spec.initContainers or ()), *(pod.spec.containers or ()))
    return any(c.resources is not None and (c.resources.requests or c.resources.limits) for c in containers)


def merged(tolerations: Tolerations) -> list[Any]:
    """Without those that others cover; of equal ones the first stays."""
    kept: list[Any] = []
    for number, one in enumerate(tolerations):
        later = (other for other in tolerations[number + 1 :] if other != one)
        if not any(covers(other, one) for other in (*kept, *later)):
            kept.append(one)
    return kept


def covers(wide: Any, narrow: Any) -> bool:
    """Whether whatever `narrow` tolerates, `wide` tolerates as well."""
    return _covers_taint(wide, narrow) and _covers_time(wide, narrow)


def _covers_taint(wide: Any, narrow: Any) -> bool:
    if wide.key and wide.key != (narrow.key or ""):
        return False
    if wide.effect and wide.effect != (narrow.effect or ""):
        return False
    if (wide.operator or "Equal") == "Exists":
        return True
    return (narrow.operator or "Equal") == (wide.operator or "Equal") and (narrow.value or "") == (wide.value or "")


def _covers_time(wide: Any, narrow: Any) -> bool:
    if wide.tolerationSeconds is None:
        return True
    return narrow.tolerationSeconds is not None and narrow.tolerationSeconds <= wide.tolerationSeconds
