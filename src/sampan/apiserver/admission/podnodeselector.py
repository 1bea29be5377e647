"""A namespace's pods run on its nodes: the selector of the namespace's annotation, or the cluster's, joins each pod's.

    podNodeSelectorPluginConfig:
      clusterDefaultNodeSelector: env=development     # for namespaces without the annotation
      team-a: env=production,team=a                   # all that pods of this namespace may select by

https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#podnodeselector
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from sampan.apiserver.admission.configuration import convert
from sampan.apiserver.admission.plugin import Plugin, forbid
from sampan.apiserver.write import Write

ANNOTATION = "scheduler.alpha.kubernetes.io/node-selector"
DEFAULT = "clusterDefaultNodeSelector"
Labels = dict[str, str]


class _Configuration(msgspec.Struct, forbid_unknown_fields=True):
    podNodeSelectorPluginConfig: dict[str, str] = {}


class PodNodeSelector(Plugin):
    """Off by default, as upstream."""

    name = "PodNodeSelector"
    on_by_default = False
    resources: ClassVar[frozenset[tuple[str, str]]] = frozenset({("", "pods")})
    operations: ClassVar[frozenset[str]] = frozenset({"CREATE"})

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self._selectors: dict[str, Labels] = {}

    def configure(self, settings: Any) -> None:
        texts = convert(settings, _Configuration, where="PodNodeSelector").podNodeSelectorPluginConfig
        self._selectors = {name: parse(text) for name, text in texts.items()}

    def mutate(self, write: Write) -> None:
        spec = write.new.spec
        if spec is None:
            return
        own = spec.nodeSelector or {}
        wanted = self._of_namespace(write)
        self._check(write, wanted, own)
        spec.nodeSelector = {**wanted, **own} or None

    def validate(self, write: Write) -> None:
        spec = write.new.spec
        if spec is None:
            return
        selector = spec.nodeSelector or {}
        self._check(write, self._of_namespace(write), selector)
        allowed = self._selectors.get(write.namespace)
        if allowed and not selector.items() <= allowed.items():
            raise forbid(write, "pod node label selector labels conflict with its namespace whitelist")

    @staticmethod
    def _check(write: Write, wanted: Labels, own: Labels) -> None:
        if any(own.get(key, value) != value for key, value in wanted.items()):
            raise forbid(write, "pod node label selector conflicts with its namespace node label selector")

    def _of_namespace(self, write: Write) -> Labels:
        entry = self.server.namespaces.get(None, write.namespace)
        annotations = self.server.decoded(entry).metadata.annotations if entry is not None else None
        text = (annotations or {}).get(ANNOTATION)
        if text is None:
            return self._selectors.get(DEFAULT, {})
        try:
            return parse(text)
        except ValueError as error:
            raise forbid(write, f"annotation {ANNOTATION} of namespace {write.namespace}: {error}") from None


def parse(text: str) -> Labels:
    """`a=b,c=d` as labels. Raises ValueError for anything else."""
    labels: Labels = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            raise ValueError(f"invalid selector: {text!r} (want key=value,key=value)")
        labels[key.strip()] = value.strip()
    return labels
