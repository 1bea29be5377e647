"""What the runtime has of one pod, as plain values: the only form in which decisions see it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

ContainerState = Literal["created", "running", "exited", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """Times are seconds since the epoch."""

    id: str
    ready: bool = True
    created: float = 0.0
    attempt: int = 0
    ips: tuple[str, ...] = ()
    handler: str = ""
    """What runs it, as its RuntimeClass named it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One instance of a container of the pod's spec; times are seconds since the epoch, 0 for what has not happened.

    `delay` is the back-off it waited for before its start, None for a first start. `message` is its termination
    message when it has ended. `round` counts the restarts of all containers together that came before it.
    """

    id: str
    name: str
    sandbox_id: str
    state: ContainerState = "running"
    created: float = 0.0
    started: float = 0.0
    finished: float = 0.0
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    image: str = ""
    image_id: str = ""
    restarts: int = 0
    delay: float | None = None
    spec_hash: str = ""
    resources: Any = None
    """The amounts it was made with; None for one whose maker did not note them."""
    round: int = 0
    recursive_mounts: tuple[str, ...] = ()
    """Where it sees volumes that are read-only with all that is mounted in them."""
    user: tuple[int, int, tuple[int, ...]] | None = None
    """The first process's uid, gid and groups, where the runtime says so."""

    @property
    def alive(self) -> bool:
        """Whether it may hold a process: anything not known to have ended."""
        return self.state in ("running", "unknown")


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """The pod's sandboxes and container instances, each newest first."""

    sandboxes: tuple[Sandbox, ...] = ()
    containers: tuple[Container, ...] = ()
    latest: dict[str, Container] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        for container in reversed(self.containers):
            self.latest[container.name] = container

    @property
    def sandbox(self) -> Sandbox | None:
        """The newest one; older ones only hold what is to be cleared away."""
        return self.sandboxes[0] if self.sandboxes else None

    @property
    def any_alive(self) -> bool:
        return any(container.alive for container in self.containers)

    def instances(self, name: str) -> tuple[Container, ...]:
        """Every instance of one container, newest first."""
        return tuple(container for container in self.containers if container.name == name)

    def current(self, name: str) -> Container | None:
        """The newest instance, if it is in the newest sandbox."""
        container = self.latest.get(name)
        return container if container and self.sandbox and container.sandbox_id == self.sandbox.id else None


NOTHING = Observed()
