"""The Node of this kubelet as the API has it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from sampan.api.errors import ApiError
from sampan.api.kinds import core_v1, meta_v1
from sampan.client.errors import ClientError
from sampan.client.events import EventRecorder
from sampan.client.interface import Client

log = logging.getLogger(__name__)


class ThisNode:
    """`on_pod_cidr` hears of the node's pod network when it is known and when it changes, and so does `changed`."""

    def __init__(
        self,
        name: str,
        client: Client,
        recorder: EventRecorder,
        *,
        on_pod_cidr: Callable[[str], None],
        changed: Callable[[], None],
    ) -> None:
        self._name = name
        self._client = client
        self._recorder = recorder
        self._on_pod_cidr = on_pod_cidr
        self._changed = changed
        self._pod_cidr: str | None = None
        self.latest: Any = None
        """None before it is known."""

    def labels(self) -> Mapping[str, str]:
        return (self.latest.metadata.labels if self.latest is not None else None) or {}

    def seen(self, node: Any) -> None:
        """The API's newest form of it."""
        self.latest = node
        cidr = ",".join(node.spec.podCIDRs or ([node.spec.podCIDR] if node.spec.podCIDR else [])) if node.spec else ""
        if cidr and cidr != self._pod_cidr:
            self._pod_cidr = cidr
            self._on_pod_cidr(cidr)
            self._changed()

    async def refresh(self) -> None:
        """Asks for it now: the watch may be behind. An API that cannot be asked leaves what is known."""
        try:
            self.seen(await self._client.get(core_v1.Node, self._name))
        except (ApiError, ClientError) as error:
            log.warning("the node could not be read name=%s error=%s", self._name, error)

    def event(self, type_: str, reason: str, message: str) -> None:
        """An event on the node."""
        named = core_v1.Node(metadata=meta_v1.ObjectMeta(name=self._name, uid=self._name))
        self._recorder.event(named, type_, reason, message)
