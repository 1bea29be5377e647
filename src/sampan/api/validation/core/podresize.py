"""What the resize subresource may change: what containers request and are limited to (KEP-1287).

A pod keeps its quality of service, and its containers their order; no resource is taken away altogether. Init
containers that come and go have had what they needed.
"""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.api.validation.core.context import Errors
from sampan.api.validation.core.podannotations import MIRROR
from sampan.api.validation.core.podupdates import whole
from sampan.api.validation.problems import forbidden, invalid

FIELDS = ("initContainers", "containers")
RESIZABLE = ("cpu", "memory")
ONLY = "only cpu and memory resources are mutable"
ONLY_OF_SIDECARS = "only cpu and memory resources for sidecar containers are mutable"
NOT_OF_INIT = "resources for non-sidecar init containers are immutable"


def update(new: Any, old: Any, errors: Errors) -> None:
    if MIRROR in (old.metadata.annotations or {}):
        errors.append(forbidden("", "static pods cannot be resized"))
        return
    if old.spec.os is not None and old.spec.os.name == "windows":
        errors.append(forbidden("", "windows pods cannot be resized"))
        return
    whole(new, errors)
    if not same_containers(new.spec, old.spec, errors):
        return
    quality(new, old, errors)
    for field in FIELDS:
        for index, (now, before) in enumerate(zip(_of(new, field), _of(old, field), strict=True)):
            if field == "containers" or before.restartPolicy == "Always":
                kept(now.resources, before.resources, errors, f"spec.{field}[{index}].resources")
    for field in reversed(FIELDS):
        for now, before in zip(_of(new, field), _of(old, field), strict=True):
            if wrong := beyond(now, before, field):
                errors.append(forbidden("spec", wrong))


def _of(pod: Any, field: str) -> list[Any]:
    return list(getattr(pod.spec, field) or ())


def same_containers(new: Any, old: Any, errors: Errors) -> bool:
    """Whether the containers are the same in the same order."""
    wrong = []
    for field in FIELDS:
        now, before = ([c.name for c in getattr(spec, field) or ()] for spec in (new, old))
        if len(now) != len(before):
            wrong.append(forbidden(f"spec.{field}", f"{field} may not be added or removed on resize"))
        elif now != before:
            wrong.append(forbidden(f"spec.{field}", f"{field} may not be renamed or reordered on resize"))
    errors.extend(wrong)
    return not wrong


def quality(new: Any, old: Any, errors: Errors) -> None:
    from sampan.api.strategy.qos import quality_of_service

    asked = quality_of_service(new.spec)
    if asked != quality_of_service(old.spec):
        errors.append(invalid("spec", asked, "Pod QOS Class may not change as a result of resizing"))
    statuses = (old.status.containerStatuses if old.status is not None else None) or ()
    running = next((s for s in statuses if s.state is not None and s.state.running is not None), None)
    if running is not None and running.resources is None:
        errors.append(forbidden("spec", "Pod running on node without support for resize"))


def kept(now: Any, before: Any, errors: Errors, path: str) -> None:
    for field in ("requests", "limits"):
        if set(getattr(before, field) or ()) - set(getattr(now, field) or ()):
            errors.append(forbidden(f"{path}.{field}", f"resource {field} cannot be removed"))


def beyond(now: Any, before: Any, field: str) -> str:
    """What is wrong with a change beyond what may be resized; "" when nothing is."""
    if field == "initContainers" and before.restartPolicy != "Always":
        return NOT_OF_INIT if now != before else ""
    if _rest(now) == _rest(before):
        return ""
    return ONLY if field == "containers" else ONLY_OF_SIDECARS


def _rest(container: Any) -> dict[str, Any]:
    """All of a container but what may be resized."""
    plain: dict[str, Any] = msgspec.to_builtins(container)
    resources = {**(plain.get("resources") or {})}
    for field in ("requests", "limits"):
        amounts = resources.get(field) or {}
        resources[field] = {k: v for k, v in amounts.items() if k not in RESIZABLE}
    plain["resources"] = resources
    plain.pop("resizePolicy", None)
    return plain
