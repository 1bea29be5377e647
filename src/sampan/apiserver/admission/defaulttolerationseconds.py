"""Pods stay on a node that is not ready or not reachable for 300 seconds, unless they say otherwise."""

from __future__ import annotations

from typing import ClassVar

from sampan.api.kinds import core_v1
from sampan.apiserver.admission.plugin import Plugin
from sampan.apiserver.write import Write

KEYS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
SECONDS = 300


class DefaultTolerationSeconds(Plugin):
    """Adds the two tolerations with effect NoExecute."""

    name = "DefaultTolerationSeconds"
    resources: ClassVar[frozenset[tuple[str, str]]] = frozenset({("", "pods")})

    def mutate(self, write: Write) -> None:
        spec = write.new.spec
        if spec is None:
            return
        present = spec.tolerations or []
        missing = [key for key in KEYS if not any(_covers(toleration, key) for toleration in present)]
        if missing:
            spec.tolerations = [*present, *map(_toleration, missing)]


def _covers(toleration: object, key: str) -> bool:
    return toleration.key in (key, None, "") and toleration.effect in ("NoExecute", None, "")  # type: ignore[attr-defined]


def _toleration(key: str) -> object:
    return core_v1.Toleration(key=key, operator="Exists", effect="NoExecute", tolerationSeconds=SECONDS)
