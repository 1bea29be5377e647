"""Which API objects a pod's volumes show: those whose changes its files must follow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple


class Reference(NamedTuple):
    """`plural` is "configmaps" or "secrets"."""

    plural: str
    namespace: str
    name: str


def shown_objects(pod: Any) -> set[Reference]:
    namespace = pod.metadata.namespace or "default"
    named = [pair for volume in pod.spec.volumes or () for pair in shown_by(volume)]
    return {Reference(plural, namespace, name) for plural, name in named if name}


def shown_by(volume: Any) -> Iterator[tuple[str, str | None]]:
    if volume.configMap is not None:
        yield "configmaps", volume.configMap.name
    if volume.secret is not None:
        yield "secrets", volume.secret.secretName
    for source in (volume.projected.sources if volume.projected else None) or ():
        if source.configMap is not None:
            yield "configmaps", source.configMap.name
        if source.secret is not None:
            yield "secrets", source.secret.name
