"""The kubelet's side towards the API: what it hears from there, and what it tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sampan.api.kinds import core_v1
from sampan.client import lean
from sampan.client.events import EventRecorder
from sampan.client.informer import Informer
from sampan.kubelet.environment import service_variables
from sampan.kubelet.objects import ApiObjects
from sampan.kubelet.publisher import StatusPublisher
from sampan.kubelet.surroundings import Surroundings


class ApiSide:
    """`pods` are those bound to this node, `services` all there are, `objects` what pods refer to."""

    def __init__(self, given: Surroundings) -> None:
        client, clock, rng, name = given.client, given.clock, given.rng, given.config.node_name
        self.recorder = EventRecorder(client, "kubelet", name, clock, rng)
        self.publisher = StatusPublisher(client, clock, rng, synced=given.instruments.status_syncs.observe)
        self.objects = ApiObjects(client, clock, rng)
        self.services: Informer[Any] = Informer(
            client, core_v1.Service, clock, rng,
            indexers={"namespace": lambda s: [s.metadata.namespace]}, trim=lean.service,
        )  # fmt: skip
        self.pods: Informer[Any] = Informer(client, core_v1.Pod, clock, rng, fields=f"spec.nodeName={name}")

    async def synced(self) -> None:
        """Returns when services and pods have been listed."""
        await self.services.synced()
        await self.pods.synced()

    def service_variables(self, pod: Any) -> Mapping[str, str]:
        """The environment variables for services that the pod's containers get."""
        namespace = pod.metadata.namespace
        nearby = [*self.services.index("namespace", namespace)]
        if namespace != "default":
            nearby += self.services.index("namespace", "default")
        return service_variables(nearby, namespace, links=pod.spec.enableServiceLinks is not False)

    def statistics(self) -> dict[str, Any]:
        return {
            "status": self.publisher.statistics(),
            "events": self.recorder.statistics(),
            "objects": self.objects.changes.statistics(),
        }

    async def close(self) -> None:
        await self.objects.changes.close()
        await self.recorder.close()
