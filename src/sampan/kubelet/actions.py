"""What a decision may ask the worker to do. The worker does them in order and then looks again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SetUpVolumes:
    """Make the pod's folders and mount or write every volume."""


@dataclass(frozen=True, slots=True)
class TearDown:
    """Unmount and delete the pod's volumes and cgroups; its containers are gone."""


@dataclass(frozen=True, slots=True)
class CreateSandbox:
    attempt: int


@dataclass(frozen=True, slots=True)
class StopSandbox:
    id: str


@dataclass(frozen=True, slots=True)
class RemoveSandbox:
    """Removes it with its containers and what the runtime keeps of them."""

    id: str


@dataclass(frozen=True, slots=True)
class EnsureImage:
    """Look whether the container's image is there, and pull it as its policy says, without waiting for the pull."""

    container: str


@dataclass(frozen=True, slots=True)
class StartContainer:
    """Create and start a new instance; `delay` is the back-off it has waited for (None for a first start), `round` as
    in `observed.Container`."""

    container: str
    restarts: int
    delay: float | None
    round: int = 0


@dataclass(frozen=True, slots=True)
class StopContainer:
    """Begin to stop an instance: preStop hook, stop signal, and after `grace` seconds SIGKILL. Not waited for."""

    id: str
    container: str
    grace: float
    message: str
    prestop: bool = True


@dataclass(frozen=True, slots=True)
class RunPreStop:
    """Begin the preStop hook of an instance whose turn to stop comes later. Not waited for."""

    id: str
    container: str


@dataclass(frozen=True, slots=True)
class RemoveContainer:
    """Remove an ended instance and its log."""

    id: str


@dataclass(frozen=True, slots=True)
class Resize:
    """Set running containers and the pod's cgroup to what is allocated to them."""


@dataclass(frozen=True, slots=True)
class Finish:
    """Nothing of the pod is left but its object: take that out of the API."""


Action = (
    SetUpVolumes
    | TearDown
    | CreateSandbox
    | StopSandbox
    | RemoveSandbox
    | EnsureImage
    | StartContainer
    | StopContainer
    | RunPreStop
    | RemoveContainer
    | Resize
    | Finish
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`wake_at` is when to decide anew although nothing has changed (seconds since the epoch), if ever."""

    actions: tuple[Action, ...] = ()
    wake_at: float | None = None
