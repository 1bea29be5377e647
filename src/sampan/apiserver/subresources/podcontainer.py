"""Which container of a pod a request is for."""

from __future__ import annotations

from typing import Any

from sampan.api.errors import BadRequest
from sampan.apiserver.request import Request


def chosen(request: Request, pod: Any) -> str:
    """The container asked for, which need not be named when there is but one. Raises BadRequest."""
    spec = pod.spec
    groups = (spec.containers or (), spec.initContainers or (), spec.ephemeralContainers or ())
    regular, init, ephemeral = ([c.name for c in group] for group in groups)
    name = request.parameter("container")
    if name:
        if name not in (*regular, *init, *ephemeral):
            raise BadRequest(f"container {name} is not valid for pod {pod.metadata.name}")
        return name
    if len(regular) == 1:
        return str(regular[0])
    text = f"a container name must be specified for pod {pod.metadata.name}, choose one of: [{' '.join(regular)}]"
    if init:
        text += f" or one of the init containers: [{' '.join(init)}]"
    if ephemeral:
        text += f" or one of the ephemeral containers: [{' '.join(ephemeral)}]"
    raise BadRequest(text)
