"""What of a pod may change, through the pod itself and through its subresources.

Source: API reference v1.36, "Pod update and replacement" (concepts, Pods); KEP-277, KEP-1287, KEP-3521.
"""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.api.validation.core.container import containers as judge_containers
from sampan.api.validation.core.container import ephemeral_containers
from sampan.api.validation.core.context import Errors, PodContext
from sampan.api.validation.core.pods import pod_spec, tokens_need_account
from sampan.api.validation.core.volumes import volumes
from sampan.api.validation.differences import difference
from sampan.api.validation.network import ip
from sampan.api.validation.numbers import LARGEST, between
from sampan.api.validation.problems import forbidden, invalid

FIXED = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
RESIZE_FIXED = "only cpu and memory resources are mutable"
FREE = ("activeDeadlineSeconds", "tolerations", "schedulingGates", "serviceAccount", "serviceAccountName")
FREE_WHILE_GATED = ("nodeSelector", "affinity")


def update(new: Any, old: Any, errors: Errors) -> None:
    pod_spec(new.spec, new.metadata.name or "", errors, "spec")
    tokens_need_account(new.spec, errors)
    same_number = True
    for field in ("containers", "initContainers"):
        if len(getattr(new.spec, field) or ()) != len(getattr(old.spec, field) or ()):
            errors.append(forbidden(f"spec.{field}", "pod updates may not add or remove containers"))
            same_number = False
    if not same_number:
        return
    deadline(new.spec.activeDeadlineSeconds, old.spec.activeDeadlineSeconds, errors)
    added_tolerations(new.spec.tolerations or [], old.spec.tolerations or [], errors)
    removed_gates(new.spec.schedulingGates or [], old.spec.schedulingGates or [], errors)
    if fixed_part(new.spec, old.spec) != fixed_part(old.spec, old.spec):
        errors.append(forbidden("spec", f"{FIXED}\n{difference(freed(new.spec, old.spec), old.spec)}"))


def deadline(new: int | None, old: int | None, errors: Errors) -> None:
    path = "spec.activeDeadlineSeconds"
    if new is not None:
        if not 0 <= new <= LARGEST:
            errors.append(invalid(path, new, between(0, LARGEST)))
        elif old is not None and new > old:
            errors.append(invalid(path, new, "must be less than or equal to previous value"))
    elif old is not None:
        errors.append(invalid(path, new, "must not update from a positive integer to nil value"))


def added_tolerations(new: Any, old: Any, errors: Errors) -> None:
    """What was tolerated stays tolerated, though for how long may change."""
    have = {(t.key, t.operator, t.value, t.effect) for t in new}
    if any((t.key, t.operator, t.value, t.effect) not in have for t in old):
        text = "existing toleration can not be modified except its tolerationSeconds"
        errors.append(forbidden("spec.tolerations", text))


def removed_gates(new: Any, old: Any, errors: Errors) -> None:
    known = {g.name for g in old}
    for index, gate in enumerate(new):
        if gate.name not in known:
            text = f"only deletion is allowed, but found new scheduling gate '{gate.name}'"
            errors.append(forbidden(f"spec.schedulingGates[{index}]", text))


def fixed_part(spec: Any, old: Any) -> dict[str, Any]:
    """What an update must leave as it was. While a pod waits at a gate, where it may run is still open."""
    plain = msgspec.to_builtins(spec)
    for name in FREE:
        plain.pop(name, None)
    if old.schedulingGates:
        for name in FREE_WHILE_GATED:
            plain.pop(name, None)
    for field in ("containers", "initContainers"):
        for container in plain.get(field) or ():
            container.pop("image", None)
    if old.terminationGracePeriodSeconds is not None and old.terminationGracePeriodSeconds < 0:
        plain.pop("terminationGracePeriodSeconds", None)
    return plain


def freed(spec: Any, old: Any) -> Any:
    """The new spec with what may change put back, so that a diff shows the rest."""
    kept = msgspec.convert(msgspec.to_builtins(spec), type(spec))
    for name in FREE:
        setattr(kept, name, getattr(old, name))
    for field in ("containers", "initContainers"):
        for now, before in zip(getattr(kept, field) or (), getattr(old, field) or (), strict=True):
            now.image = before.image
    return kept


def update_status(new: Any, old: Any, errors: Errors) -> None:
    status = new.status
    if status is None:
        return
    for index, address in enumerate(status.podIPs or ()):
        ip(address.ip, errors, f"status.podIPs[{index}]")
    for index, address in enumerate(status.hostIPs or ()):
        ip(address.ip, errors, f"status.hostIPs[{index}]")
    if old.spec.restartPolicy != "Always":
        running_again(status.containerStatuses, old, errors)


def running_again(statuses: Any, old: Any, errors: Errors) -> None:
    """A container that ended for good does not go back to running."""
    ended = {
        s.name: s.state.terminated for s in (old.status.containerStatuses if old.status else None) or () if s.state
    }
    for index, status in enumerate(statuses or ()):
        before = ended.get(status.name)
        if before is None or (status.state is not None and status.state.terminated is not None):
            continue
        if old.spec.restartPolicy == "OnFailure" and before.exitCode:
            continue
        path = f"status.containerStatuses[{index}].state"
        errors.append(forbidden(path, "may not be transitioned to non-terminated state"))


def update_ephemeral_containers(new: Any, old: Any, errors: Errors) -> None:
    spec = new.spec
    context = PodContext(volumes=volumes(spec.volumes, "", [], "spec.volumes"), grace_period=None)
    ephemeral_containers(spec.ephemeralContainers or (), spec, context, errors, "spec.ephemeralContainers")
    now = {c.name: c for c in spec.ephemeralContainers or ()}
    for before in old.spec.ephemeralContainers or ():
        if before.name not in now:
            text = f'existing ephemeral containers "{before.name}" may not be removed'
            errors.append(forbidden("spec.ephemeralContainers", f"{text}\n"))
        elif now[before.name] != before:
            text = f'existing ephemeral containers "{before.name}" may not be changed'
            errors.append(forbidden("spec.ephemeralContainers", f"{text}\n"))


def resize(new: Any, old: Any, errors: Errors) -> None:
    """Resources of running containers; a pod keeps its quality of service."""
    from sampan.api.strategy.qos import quality_of_service

    context = PodContext(
        volumes=volumes(new.spec.volumes, "", [], "spec.volumes"),
        grace_period=new.spec.terminationGracePeriodSeconds,
        restart_policy=new.spec.restartPolicy or "",
    )
    judge_containers(new.spec.containers, context, errors, "spec.containers")
    if quality_of_service(new.spec) != quality_of_service(old.spec):
        text = "Pod QOS Class may not change as a result of resizing"
        errors.append(invalid("spec", quality_of_service(new.spec), text))
    for index, (now, before) in enumerate(zip(new.spec.containers or (), old.spec.containers or (), strict=False)):
        for field in ("requests", "limits"):
            given, had = getattr(now.resources, field) or {}, getattr(before.resources, field) or {}
            if {k: v for k, v in given.items() if k not in ("cpu", "memory")} != {
                k: v for k, v in had.items() if k not in ("cpu", "memory")
            }:
                errors.append(forbidden(f"spec.containers[{index}].resources.{field}", RESIZE_FIXED))
