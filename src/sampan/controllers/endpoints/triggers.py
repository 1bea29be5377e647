"""When the change came about that a Service's endpoints follow, told in an annotation for those who measure how long
it takes (kube-proxy's network programming latency).

It is the earliest of what changed since the last look: a pod's readiness turned, or the Service was made. A Service
that is new to this process tells of its making; a look that finds nothing new tells nothing.
Rules: sig-scalability, "Network programming latency SLI"; the annotation's text in the API reference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sampan.controllers.pods import condition

LAST_CHANGE = "endpoints.kubernetes.io/last-change-trigger-time"
Moments = dict[str, str]
"""By pod, and for the Service itself under the empty name; in the API's form, which sorts by time."""


class Triggers:
    """What the last look at each Service found; a look counts once it is `noted`."""

    def __init__(self) -> None:
        self._noted: dict[str, Moments] = {}

    def look(self, key: str, service: Any, pods: Sequence[Any]) -> tuple[str | None, Moments]:
        """When the oldest news came about, if there is any; and what to note once it has been told."""
        found = moments(service, pods)
        before = self._noted.get(key)
        if before is None:
            return service.metadata.creationTimestamp, found
        return min((at for name, at in found.items() if at > before.get(name, "")), default=None), found

    def note(self, key: str, found: Moments) -> None:
        self._noted[key] = found

    def forget(self, key: str) -> None:
        self._noted.pop(key, None)


def moments(service: Any, pods: Sequence[Any]) -> Moments:
    """When each pod's readiness last turned, and when the Service was made. Pure."""
    found = {"": service.metadata.creationTimestamp or ""}
    for pod in pods:
        ready = condition(pod, "Ready")
        if ready is not None and ready.lastTransitionTime:
            found[pod.metadata.name] = ready.lastTransitionTime
    return found


def annotated(annotations: Mapping[str, str] | None, trigger: str | None) -> dict[str, str] | None:
    """The annotations with that moment, or without any. Pure."""
    kept = {name: value for name, value in (annotations or {}).items() if name != LAST_CHANGE}
    return (kept | {LAST_CHANGE: trigger} if trigger else kept) or None
