"""Volumes of one pod in a temporary folder, with objects in memory and a mounter that mounts nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from sampan.aio.removal import remove_tree
from sampan.api.kinds import core_v1
from sampan.volumes import kinds
from sampan.volumes.errors import VolumeError
from sampan.volumes.interface import PodVolumes
from sampan.volumes.mounter import mount_arguments


class FakeObjects:
    def __init__(self) -> None:
        self.config_maps: dict[str, Any] = {}
        self.secrets: dict[str, Any] = {}
        self.claims: dict[str, Any] = {}
        self.volumes: dict[str, Any] = {}
        self.bundles: list[str] = []

    async def config_map(self, namespace: str, name: str) -> Any | None:
        return self.config_maps.get(name)

    async def secret(self, namespace: str, name: str) -> Any | None:
        return self.secrets.get(name)

    async def claim(self, namespace: str, name: str) -> Any | None:
        return self.claims.get(name)

    async def persistent_volume(self, name: str) -> Any | None:
        return self.volumes.get(name)

    async def trust_bundles(self, *, name: str | None, signer: str | None, labels: Any | None) -> list[str]:
        return self.bundles

    async def token(self, pod: Any, audience: str, seconds: int) -> str:
        return f"token for {audience}"

    def forget(self, uid: str) -> None:
        return None


class FakeMounter:
    """Notes what is asked; what it "mounted" stays mounted."""

    def __init__(self) -> None:
        self.mounts: list[tuple[str, Any]] = []
        self.points: set[Path] = set()
        self.owned: list[tuple[str, int, str | None]] = []
        self.stuck = ""
        self.refusal = ""
        self.ran: list[str] = []
        self.answers: dict[str, tuple[int, str]] = {}
        """Of programs: exit status and words."""

    def _note(self, target: Path, what: Any) -> None:
        if target not in self.points:
            self.mounts.append((target.name, what))
            self.points.add(target)

    def tmpfs(self, target: Path, size: int | None, *, swap: bool = True) -> None:
        self._note(target, size)

    def hugepages(self, target: Path, page: int) -> None:
        self._note(target, f"pages of {page}")

    def bind(self, source: Path, target: Path) -> None:
        self._note(target, source)

    async def mount(
        self, filesystem: str, source: str, target: Path, options: Sequence[str], *, folder: Path = Path("/")
    ) -> None:
        if self.refusal:
            raise VolumeError(self.refusal)
        self._note(target, " ".join(mount_arguments(filesystem, source, target, options)))

    async def run(self, *command: str) -> tuple[int, str]:
        self.ran.append(" ".join(command))
        return self.answers.get(command[0], (0, ""))

    def mounted(self, target: Path) -> bool:
        return target in self.points

    def share(self, directory: Path) -> None:
        return None

    def unmount_below(self, directory: Path) -> list[str]:
        return [self.stuck] if self.stuck else []

    async def take_down(self, directory: Path) -> list[str]:
        return self.unmount_below(directory)

    async def aside(self, work: Callable[[], Any]) -> Any:
        return work()

    async def remove(self, directory: Path) -> None:
        remove_tree(directory)

    async def own(self, directory: Path, group: int, *, policy: str | None) -> None:
        self.owned.append((directory.name, group, policy))


class World:
    """`volumes` are as in a manifest."""

    def __init__(self, folder: Path, volumes: list[dict[str, Any]], **spec: Any) -> None:
        self.objects = FakeObjects()
        self.mounter = FakeMounter()
        body = {
            "metadata": {"name": "p", "namespace": "ns", "uid": "u", "labels": {"b": "2", "a": 'say "hi"'}},
            "spec": {"containers": [{"name": "c"}], "volumes": volumes, **spec},
        }
        self.pod = msgspec.convert(body, core_v1.Pod)
        self.volumes = PodVolumes(
            pod=self.pod,
            directory=folder / "pod",
            objects=self.objects,
            mounter=self.mounter,
            host_ips=("192.0.2.1",),
            pod_ips=("10.0.0.5",),
            allocatable={"cpu": "4", "memory": "8Gi"},
            node_labels={"kubernetes.io/hostname": "n1"},
        )

    async def set_up(self) -> dict[str, Path]:
        """Makes all volumes; returns where each lies."""
        return {name: made.path for name, made in (await kinds.set_up(self.volumes)).items()}

    def config_map(self, name: str, **data: str) -> None:
        self.objects.config_maps[name] = core_v1.ConfigMap(data=data)


def shown(folder: Path) -> dict[str, str]:
    """Every file a container sees, by its path."""
    files = [path for path in folder.rglob("*") if path.is_file() and ".." not in str(path.relative_to(folder))]
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(files)} | links(folder)


def links(folder: Path) -> dict[str, str]:
    """What visible links to folders hold."""
    found = {}
    for link in folder.iterdir():
        if not link.name.startswith("..") and link.is_dir():
            found |= {str(p.relative_to(folder)): p.read_text() for p in link.rglob("*") if p.is_file()}
    return found
