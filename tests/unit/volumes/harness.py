"""Volumes of one pod in a temporary folder, with objects in memory and a mounter that mounts nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from sampan.api.kinds import core_v1
from sampan.volumes.interface import PodVolumes


class FakeObjects:
    def __init__(self) -> None:
        self.config_maps: dict[str, Any] = {}
        self.secrets: dict[str, Any] = {}

    async def config_map(self, namespace: str, name: str) -> Any | None:
        return self.config_maps.get(name)

    async def secret(self, namespace: str, name: str) -> Any | None:
        return self.secrets.get(name)

    async def token(self, pod: Any, audience: str, seconds: int) -> str:
        return f"token for {audience}"

    def forget(self, uid: str) -> None:
        return None


class FakeMounter:
    def __init__(self) -> None:
        self.mounts: list[tuple[str, int | None]] = []

    def tmpfs(self, target: Path, size: int | None) -> None:
        self.mounts.append((target.name, size))

    def bind(self, source: Path, target: Path) -> None:
        raise AssertionError("nothing here binds")

    def unmount_below(self, directory: Path) -> list[str]:
        return []


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
        )

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
