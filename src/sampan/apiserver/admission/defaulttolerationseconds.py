"""Pods stay on a node that is not ready or not reachable for a time, 300 seconds, unless they say otherwise."""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar

from sampan.api.kinds import core_v1
from sampan.apiserver.admission.plugin import Plugin
from sampan.apiserver.write import Write

NOT_READY, UNREACHABLE = "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"


class DefaultTolerationSeconds(Plugin):
    """Adds the two tolerations with effect NoExecute, for the seconds that the server's flags say.

    They are the same in every pod, so they are made once, shared and never changed.
    """

    name = "DefaultTolerationSeconds"
    resources: ClassVar[frozenset[tuple[str, str]]] = frozenset({("", "pods")})

    def mutate(self, write: Write) -> None:
        spec = write.new.spec
        if spec is None:
            return
        present = spec.tolerations or []
        config = self.server.config
        wanted = ((NOT_READY, config.not_ready_seconds), (UNREACHABLE, config.unreachable_seconds))
        missing = [_toleration(*one) for one in wanted if not (present and _covered(present, one[0]))]
        if missing:
            spec.tolerations = [*present, *missing]


def _covered(tolerations: list[Any], key: str) -> bool:
    return any(one.key in (key, None, "") and one.effect in ("NoExecute", None, "") for one in tolerations)


@cache
def _toleration(key: str, seconds: int) -> object:
    return core_v1.Toleration(key=key, operator="Exists", effect="NoExecute", tolerationSeconds=seconds)
