"""What a test may ask of its cluster."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import msgspec

from sampan.testing.nodes import Behaviour, Machine


class BadSetup(ValueError):
    """The options contradict each other; the text says what to change."""


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """Read it as the keyword arguments of `cluster()`.

    `controllers` and `scheduler`: whether they run. Without controllers no namespace gets its service account, so the
    admission plugin that asks for one is off. `nodes`: how many simulated nodes, named node-0 and so on, and how their
    pods fare (`behaviour`) and what they have (`machine`).

    `store`: `memory`, `sqlite`, `sqlite=PATH` or `etcd=URL,...`. `users` maps names to their groups: each gets a
    kubeconfig. `process`: run it in a child process, which a busy test cannot slow down, instead of in this one.
    `disable_plugins`, `enable_plugins`: admission. `data_dir`: where files go; None for a temporary folder.
    `start_seconds`: how long to wait until it is ready.
    """

    controllers: bool = True
    scheduler: bool = True
    nodes: int = 0
    behaviour: Behaviour = Behaviour()
    machine: Machine = Machine()
    store: str = "memory"
    users: dict[str, tuple[str, ...]] = {}
    process: bool = False
    enable_plugins: tuple[str, ...] = ()
    disable_plugins: tuple[str, ...] = ()
    service_cidr: str = "10.96.0.0/16"
    data_dir: str | None = None
    start_seconds: float = 30.0

    def __post_init__(self) -> None:
        if self.nodes < 0:
            raise BadSetup(f"nodes={self.nodes}: want 0 or more")
        for name in self.users:
            if not name or "/" in name or name in (".", "..", "admin"):
                raise BadSetup(f"users: {name!r} cannot name a kubeconfig; choose another name")

    @property
    def node_names(self) -> list[str]:
        return [f"node-{number}" for number in range(self.nodes)]

    def plugins_off(self) -> tuple[str, ...]:
        """Admission plugins not to run."""
        alone = () if self.controllers else ("ServiceAccount",)
        return (*self.disable_plugins, *alone)


def kubeconfig_file(folder: Path, user: str) -> Path:
    """Where a user's kubeconfig is; a colon, as in system:..., would part two paths in $KUBECONFIG."""
    return folder / f"{quote(user, safe='')}.kubeconfig"
