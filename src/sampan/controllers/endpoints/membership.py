"""Which pods each Service selects, kept up to date pod by pod.

A change of a pod costs the services of its namespace one comparison each; a change of a Service's selector costs one
pass over its namespace. Nothing passes over the cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sampan.api.kinds import core_v1
from sampan.client.cache import key_of
from sampan.controllers.context import Context
from sampan.controllers.endpoints import facts
from sampan.controllers.ownership import by_namespace

Changed = Callable[[str], None]


class Membership:
    """Shared by the controllers that need it; tells each listener the keys of services whose endpoints may change."""

    def __init__(self, context: Context) -> None:
        self._services = context.informers.of(core_v1.Service, {"namespace": by_namespace})
        self._pods = context.informers.of(core_v1.Pod, {"namespace": by_namespace})
        self._members: dict[str, set[str]] = {}
        self._listeners: list[Changed] = []
        self._services.add_handler(self._service_changed)
        self._pods.add_handler(self._pod_changed)

    def listen(self, listener: Changed) -> None:
        self._listeners.append(listener)

    def pods_of(self, service: Any) -> Sequence[Any]:
        """The pods it selects, in the order of their names."""
        found = (self._pods.get(key) for key in sorted(self._members.get(key_of(service), ())))
        return [pod for pod in found if pod is not None]

    def _service_changed(self, old: Any, new: Any) -> None:
        key = key_of(new or old)
        if new is None:
            self._members.pop(key, None)
        elif old is None or old.spec.selector != new.spec.selector:
            pods = self._pods.index("namespace", new.metadata.namespace)
            self._members[key] = {key_of(pod) for pod in pods if selects(new, pod)}
        self._tell(key)

    def _pod_changed(self, old: Any, new: Any) -> None:
        if old is not None and new is not None and facts.signature(old) == facts.signature(new):
            return
        pod = new or old
        pod_key = key_of(pod)
        for service in self._services.index("namespace", pod.metadata.namespace):
            key = key_of(service)
            members = self._members.setdefault(key, set())
            was = pod_key in members
            now = new is not None and selects(service, new)
            if now:
                members.add(pod_key)
            elif was:
                members.discard(pod_key)
            if was or now:
                self._tell(key)

    def _tell(self, key: str) -> None:
        for listener in self._listeners:
            listener(key)


def selects(service: Any, pod: Any) -> bool:
    """Whether the Service's selector (never an empty one) matches the pod's labels."""
    selector = service.spec.selector
    return bool(selector) and selector.items() <= (pod.metadata.labels or {}).items()
