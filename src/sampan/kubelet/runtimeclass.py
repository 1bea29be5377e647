"""Which runtime a pod's RuntimeClass names ("Runtime Class"); its overhead is in the pod's spec already."""

from __future__ import annotations

from typing import Any

from sampan.api.errors import ApiError, NotFound
from sampan.api.kinds import node_v1
from sampan.client.errors import ClientError
from sampan.client.interface import Client
from sampan.cri.errors import RuntimeFailure


async def handler_of(pod: Any, client: Client) -> str:
    """The handler of the container runtime, "" for its default. Raises RuntimeFailure when it cannot be known."""
    name = pod.spec.runtimeClassName
    if not name:
        return ""
    try:
        return str((await client.get(node_v1.RuntimeClass, name)).handler)
    except NotFound:
        raise RuntimeFailure(f'RuntimeClass "{name}" not found') from None
    except (ApiError, ClientError) as error:
        raise RuntimeFailure(f'RuntimeClass "{name}" cannot be read: {error}') from None
