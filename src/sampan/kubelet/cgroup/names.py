"""How cgroups are called ("/kubepods/burstable/pod<uid>"): pure.

With the systemd driver each is a slice, whose name says its whole path: `kubepods-burstable-pod<uid>.slice` lies in
`kubepods-burstable.slice`, which lies in `kubepods.slice`. Dashes of a uid become underscores; those of the root's name
are levels, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sampan.kubelet.qos import qos_class

SYSTEMD = "systemd"
TIERS = ("Burstable", "BestEffort")
"""The classes with a cgroup of their own between the root and their pods; Guaranteed pods lie in the root."""


def cgroup_parent(pod: Any, *, driver: str, root: str = "kubepods") -> str:
    """The pod's cgroup, as the runtime wants it named and as it is found below a hierarchy's mount."""
    uid = pod.metadata.uid
    own = f"pod{uid.replace('-', '_') if driver == SYSTEMD else uid}"
    return path_of([*tier_parts(qos_class(pod), root), own], driver)


def tier(quality: str, *, driver: str, root: str = "kubepods") -> str:
    """The cgroup that pods of a class lie in."""
    return path_of(tier_parts(quality, root), driver)


def tier_parts(quality: str, root: str) -> list[str]:
    return [root, quality.lower()] if quality in TIERS else [root]


def path_of(parts: Sequence[str], driver: str) -> str:
    if driver != SYSTEMD:
        return "/" + "/".join(parts)
    pieces = [piece for part in parts for piece in part.split("-")]
    return "/" + "/".join("-".join(pieces[: depth + 1]) + ".slice" for depth in range(len(pieces)))
