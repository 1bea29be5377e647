"""What a pod's worker knows beside the spec and the runtime: work under way, failures, probe results.

It may all be lost at any moment: a kubelet that starts anew begins with an empty memory and comes to the same place.
Times are seconds since the epoch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Something that did not work: how it shows in the status, and when to try it again."""

    reason: str
    message: str
    at: float
    retry_at: float
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageReady:
    """The image is on the node; `reference` is the runtime's name for it, `details` its Image message."""

    reference: str
    details: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePulling:
    since: float


ImageState = ImageReady | ImagePulling | Failure


@dataclass(slots=True, kw_only=True)
class ProbeResults:
    """The last word of each probe of one container instance; None until it has spoken."""

    startup: bool | None = None
    readiness: bool | None = None
    liveness: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The pod is to end although it would go on: since when, with how many seconds of grace, and why.

    `phase` is what the status shall say when the end is not a deletion: evicted or over its deadline. `disruption` is
    the reason of the DisruptionTarget condition, where the pod ends for no fault of its own (KEP-3329). One that is
    `rejected` was never begun: its status has no word of its containers, as upstream's.
    """

    since: float
    grace: float
    phase: str = ""
    reason: str = ""
    message: str = ""
    disruption: str = ""
    rejected: bool = False


@dataclass(slots=True, kw_only=True)
class Memory:
    """Maps are keyed by container name (`images`, `failures`) or by container id (the others)."""

    volumes_ready: bool = False
    volumes: Failure | None = None
    sandbox: Failure | None = None
    images: dict[str, ImageState] = field(default_factory=dict)
    pulled: tuple[float, float] | None = None
    """When the first pull of an image for the pod began, and when the last one ended."""
    failures: dict[str, Failure] = field(default_factory=dict)
    probes: dict[str, ProbeResults] = field(default_factory=dict)
    hooks: set[str] = field(default_factory=set)
    """Whose postStart hook has not succeeded: it runs, or has failed."""
    failed_hooks: set[str] = field(default_factory=set)
    stopping: set[str] = field(default_factory=set)
    prestopped: set[str] = field(default_factory=set)
    """Whose preStop hook was begun ahead of their stop."""
    ending: Ending | None = None
    actuated: dict[str, Any] = field(default_factory=dict)
    """What was last set on containers (by id) and on the pod (""), where that is not what they were made with."""
    resize_pending: tuple[str, str] | None = None
    """Why a resize that is asked for is not allocated: reason and message."""
    resize_error: Failure | None = None
    removed: bool = False
    """The API no longer has the pod."""
    torn_down: bool = False
    """Volumes and cgroups of an ended pod have been given back."""
    space_needed: bool = False
    """The disk is short: an ended pod shall keep neither containers nor logs."""

    @property
    def stage(self) -> Literal["run", "end"]:
        return "end" if self.ending else "run"
