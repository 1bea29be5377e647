"""Fields that upstream v1.36 does not take, as their feature gates are off unless someone turns them on.

Such a field is dropped from what a client sends, without a word, before it is judged; it stays where the object has it
already (upstream: `dropDisabledFields` of each kind). The table says which they are.
In a path `[]` goes through the elements of a list, `{}` through the values of a map.
"""

from __future__ import annotations

from typing import Any

from sampan.api.registry import Kind

GANGS = "schedulingGroup"
GROUPS = ("schedulingConstraints", "resourceClaims", "disruptionMode", "priorityClassName", "priority")
"""TopologyAwareWorkloadScheduling, DRAWorkloadResourceClaims and, the other three, WorkloadAwarePreemption."""
LISTS = ("bools", "ints", "strings", "versions")
"""DRAListTypeAttributes."""


def _under(place: str, *fields: str) -> tuple[str, ...]:
    return tuple(f"{place}.{field}" for field in fields)


def _template(place: str) -> tuple[str, ...]:
    """GenericWorkload: the group that a pod is scheduled with."""
    return _under(f"{place}.spec", GANGS)


OFF: dict[tuple[str, str], tuple[str, ...]] = {
    ("", "Pod"): (f"spec.{GANGS}",),
    ("", "PodTemplate"): _template("template"),
    ("", "ReplicationController"): _template("spec.template"),
    ("apps", "DaemonSet"): _template("spec.template"),
    ("apps", "Deployment"): _template("spec.template"),
    ("apps", "ReplicaSet"): _template("spec.template"),
    ("apps", "StatefulSet"): _template("spec.template"),
    ("batch", "CronJob"): _template("spec.jobTemplate.spec.template"),
    ("batch", "Job"): _template("spec.template"),
    # CoordinatedLeaderElection
    ("coordination.k8s.io", "Lease"): _under("spec", "strategy", "preferredHolder"),
    # DRANodeAllocatableResources, beside the lists
    ("resource.k8s.io", "ResourceSlice"): (
        "spec.devices[].nodeAllocatableResourceMappings",
        *_under("spec.devices[].attributes{}", *LISTS),
        "spec.devices[].basic.nodeAllocatableResourceMappings",
        *_under("spec.devices[].basic.attributes{}", *LISTS),
    ),
    ("scheduling.k8s.io", "PodGroup"): _under("spec", *GROUPS),
    ("scheduling.k8s.io", "Workload"): _under("spec.podGroupTemplates[]", *GROUPS),
    # VolumeLimitScaling
    ("storage.k8s.io", "CSIDriver"): _under("spec", "preventPodSchedulingIfMissing"),
}


PLACES = {
    kind: tuple((tuple(path.split(".")[:-1]), path.split(".")[-1]) for path in paths) for kind, paths in OFF.items()
}
"""The ways to the structs that have such fields, and the fields."""


CLOSING = ("]", "}")


def drop_disabled(kind: Kind, new: Any, old: Any) -> None:
    """Drops them from `new`, in place; `old` is the object so far, None for a new one."""
    for places, field in PLACES.get((kind.group, kind.kind), ()):
        given = [holder for holder in _holders(new, places) if getattr(holder, field, None) is not None]
        if given and all(getattr(holder, field, None) is None for holder in _holders(old, places)):
            for holder in given:
                setattr(holder, field, None)


def _holders(obj: Any, places: tuple[str, ...]) -> list[Any]:
    """The structs that a path leads to; none when there is no object."""
    for index, name in enumerate(places):
        if name[-1] in CLOSING:
            found = getattr(obj, name[:-2], None) or {}
            each = found.values() if isinstance(found, dict) else found
            return [holder for one in each for holder in _holders(one, places[index + 1 :])]
        obj = getattr(obj, name, None)
    return [obj] if obj is not None else []
