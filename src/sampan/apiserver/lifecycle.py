"""How an object ends: grace, finalizers, propagation.

An object is gone at once unless somebody has a say first. Pods have a grace period: a first delete only marks them, and
the kubelet's
delete with grace 0 ends them; a pod that no node has, or that has ended, needs none. Finalizers hold a marked object
until whoever put
them there takes them away; the update that takes the last one ends the object. The propagation policy is told to the
garbage collector
as a finalizer (`foregroundDeletion`, `orphan`). A namespace is held by `spec.finalizers` besides.
https://kubernetes.io/docs/concepts/architecture/garbage-collection/,
.../concepts/workloads/pods/pod-lifecycle/#pod-termination
"""

from __future__ import annotations

import enum
from typing import Any

import msgspec

from sampan.aio.clock import parse_timestamp, timestamp
from sampan.api import errors
from sampan.api.errors import FieldError
from sampan.api.kinds import meta_v1
from sampan.api.registry import Kind
from sampan.apiserver import policies, stored
from sampan.apiserver.write import Write, commit_delete

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
POLICIES = ("Foreground", "Background", "Orphan")
DEFAULT_GRACE_SECONDS = 30
ENDED = ("Succeeded", "Failed")


class Step(enum.Enum):
    """What a delete does to the object now."""

    REMOVE = "remove"
    MARK = "mark"
    MARK_AND_REMOVE = "mark, then remove"
    NOTHING = "nothing"


def check_options(options: Any) -> None:
    """Raises Invalid for DeleteOptions that contradict themselves."""
    wrong = []
    policy = options.propagationPolicy
    if policy is not None and options.orphanDependents is not None:
        text = "Invalid value: orphanDependents and deletionPropagation cannot be both set"
        wrong.append(FieldError(errors.INVALID, "propagationPolicy", text))
    if policy is not None and policy not in POLICIES:
        known = ", ".join(f'"{p}"' for p in (*POLICIES, "nil"))
        text = f'Unsupported value: "{policy}": supported values: {known}'
        wrong.append(FieldError(errors.NOT_SUPPORTED, "propagationPolicy", text))
    if options.dryRun and options.dryRun != ["All"]:
        text = f'Unsupported value: "{options.dryRun[0]}": supported values: "All"'
        wrong.append(FieldError(errors.NOT_SUPPORTED, "dryRun", text))
    if wrong:
        raise errors.invalid("meta.k8s.io", "DeleteOptions", "", wrong)


def check_preconditions(kind: Kind, obj: Any, revision: int, options: Any) -> None:
    """Raises Conflict when the object is not the one the client means."""
    wanted = options.preconditions
    if wanted is None:
        return
    name = obj.metadata.name
    early = is_namespace(kind) or kind.plural == "customresourcedefinitions"
    kind_name = kind.plural if early else kind.kind
    if wanted.uid is not None and wanted.uid != obj.metadata.uid:
        why = (
            f"the UID in the precondition ({wanted.uid}) does not match the UID in record ({obj.metadata.uid}). "
            "The object might have been deleted and then recreated"
        )
        if early:
            why = f"Precondition failed: UID in precondition: {wanted.uid}, UID in object meta: {obj.metadata.uid}"
        raise errors.conflict(kind.stored[0], kind_name, name, why)
    if wanted.resourceVersion is not None and wanted.resourceVersion != str(revision):
        why = (
            f"the ResourceVersion in the precondition ({wanted.resourceVersion}) does not match the ResourceVersion in "
            f"record ({revision}). The object might have been modified"
        )
        raise errors.conflict(kind.stored[0], kind_name, name, why)


def is_namespace(kind: Kind) -> bool:
    return kind.plural == "namespaces" and not kind.group


def begin_delete(kind: Kind, obj: Any, options: Any, now: float) -> Step:
    """Decide, and mark `obj` accordingly. Pure: the caller stores or removes it."""
    if is_namespace(kind):
        return _namespace(obj, options, now)
    graceful = False
    if (kind.group, kind.plural) == ("", "pods"):
        step = _grace(obj, options, now)
        if step is Step.NOTHING:
            return step
        graceful = step is Step.MARK
    metadata = obj.metadata
    before = metadata.finalizers
    if policies.collected(kind):
        metadata.finalizers = propagated(metadata.finalizers or [], options, kind) or None
    held = bool(metadata.finalizers)
    if graceful:
        if held or metadata.deletionGracePeriodSeconds:
            return Step.MARK
        return Step.MARK_AND_REMOVE
    if held:
        if _mark(obj, now, 0) or before != metadata.finalizers:
            return Step.MARK
        return Step.NOTHING if before == metadata.finalizers else Step.MARK
    return Step.REMOVE


def _mark(obj: Any, now: float, grace: int) -> bool:
    """Set the deletion timestamp if it is not set; a marked object is of a new generation."""
    metadata = obj.metadata
    if metadata.deletionTimestamp is not None:
        return False
    metadata.deletionTimestamp = timestamp(now + grace)
    metadata.deletionGracePeriodSeconds = grace
    if metadata.generation:
        metadata.generation += 1
    return True


def _grace(pod: Any, options: Any, now: float) -> Step:
    """A pod's grace: MARK when it is marked (again), NOTHING when it is already and this delete is no shorter."""
    metadata, asked = pod.metadata, options.gracePeriodSeconds
    if metadata.deletionTimestamp is not None:
        current = metadata.deletionGracePeriodSeconds
        if current is None:
            return Step.REMOVE
        if asked is None or max(asked, 0) >= current:
            return Step.NOTHING if current or asked is None else Step.MARK
        asked = 1 if asked < 0 else asked
        begun = parse_timestamp(metadata.deletionTimestamp) - current
        metadata.deletionTimestamp = timestamp(begun + asked)
        metadata.deletionGracePeriodSeconds = asked
        return Step.MARK
    spec = pod.spec
    period = asked if asked is not None else spec.terminationGracePeriodSeconds
    period = DEFAULT_GRACE_SECONDS if period is None else period
    if not spec.nodeName or (pod.status is not None and pod.status.phase in ENDED):
        period = 0
    _mark(pod, now, 1 if period < 0 else period)
    return Step.MARK


def _namespace(obj: Any, options: Any, now: float) -> Step:
    """Marked first, with phase Terminating; its controller empties it and takes `kubernetes` out of spec.finalizers."""
    if obj.metadata.deletionTimestamp is None:
        metadata = obj.metadata
        metadata.deletionTimestamp = timestamp(now)
        if options.propagationPolicy in ("Foreground", "Orphan") or options.orphanDependents:
            metadata.finalizers = propagated(metadata.finalizers or [], options, None) or None
        if obj.status is None:
            obj.status = type_of(obj, "status")()
        obj.status.phase = "Terminating"
        return Step.MARK
    if (obj.spec is not None and obj.spec.finalizers) or obj.metadata.finalizers:
        return Step.NOTHING
    return Step.REMOVE


def type_of(obj: Any, field: str) -> Any:
    """The Struct that a field of an object holds."""
    from sampan.api import schema

    info = schema.info(type(obj)).fields[field].type
    assert info is not None
    return info.struct


def propagated(finalizers: list[str], options: Any, kind: Kind | None) -> list[str]:
    """The finalizers with those that speak of propagation as the options say;

    an explicit policy overrides what is there.
    """
    orphan, foreground = _policy(finalizers, options, kind)
    rest = [name for name in finalizers if name not in (ORPHAN, FOREGROUND)]
    if orphan:
        rest.append(ORPHAN)
    if foreground:
        rest.append(FOREGROUND)
    return finalizers if sorted(rest) == sorted(finalizers) else rest


def _policy(finalizers: list[str], options: Any, kind: Kind | None) -> tuple[bool, bool]:
    if options.orphanDependents is not None:
        return options.orphanDependents, False
    if options.propagationPolicy is not None:
        return options.propagationPolicy == "Orphan", options.propagationPolicy == "Foreground"
    for name in finalizers:
        if name in (ORPHAN, FOREGROUND):
            return name == ORPHAN, name == FOREGROUND
    return kind is not None and policies.orphans(kind), False


def ends_with_update(write: Write) -> bool:
    """Whether this update takes away the last thing that held a marked object."""
    new, old = write.new.metadata, write.old.metadata
    if new.deletionTimestamp is None or new.finalizers:
        return False
    if is_namespace(write.kind):
        return not (write.new.spec is not None and write.new.spec.finalizers)
    if not old.finalizers:
        return False
    return not old.deletionGracePeriodSeconds


async def end(write: Write) -> bytes:
    """Remove the object instead of updating it; gives the bytes to show, b"" when somebody else was faster."""
    data = stored.splice(write.kind, stored.to_bytes(write.kind, write.new), write.revision)
    write.request.server.allocators.release(write.kind, write.old, write)
    outcome = await commit_delete(write)
    return data if outcome is None or outcome.succeeded else b""


def options_of(document: Any) -> Any:
    """DeleteOptions from a JSON value. Raises msgspec.ValidationError."""
    return msgspec.convert(document, meta_v1.DeleteOptions)
