"""Our own containerd: up, killed, back with its pods, and gone without a trace."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sampan.aio.clock import SystemClock
from sampan.aio.mounts import MOUNTINFO, points_below
from sampan.cri.builtin import pause_image
from sampan.cri.client import CriClient
from sampan.cri.containerd import Containerd
from sampan.cri.errors import RuntimeUnavailable
from sampan.cri.messages import pb
from sampan.cri.oci import import_image
from sampan.cri.teardown import processes

HOST = pb.NamespaceOption(network=pb.NODE, pid=pb.CONTAINER)


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="sk-"))
    yield made
    shutil.rmtree(made)


def left_running(folder: Path) -> list[str]:
    return [" ".join(command) for _, _, command in processes(Path("/proc")) if str(folder) in " ".join(command)]


def left_mounted(folder: Path) -> list[str]:
    return points_below(folder, MOUNTINFO.read_bytes())


async def test_from_start_to_nothing(folder: Path) -> None:
    made = Containerd(folder, clock=SystemClock())
    await made.start()
    try:
        assert await import_image(made.socket, pause_image()) == ["sampan.dev/pause:1"]
        sandbox = pb.PodSandboxConfig(
            metadata=pb.PodSandboxMetadata(name="p", uid="u", namespace="n"),
            linux=pb.LinuxPodSandboxConfig(
                cgroup_parent=f"/{folder.name}",
                security_context=pb.LinuxSandboxSecurityContext(namespace_options=HOST),
            ),
        )
        client = CriClient(str(made.socket))
        sandbox_id = await client.run_sandbox(sandbox)
        await made.kill()
        with pytest.raises(RuntimeUnavailable):
            await client.version()
        await client.close()

        await made.start()
        client = CriClient(str(made.socket))
        (found,) = await client.list_sandboxes()
        assert (found.id, found.state) == (sandbox_id, pb.SANDBOX_READY)
        await client.close()
        # As when CRI can no longer be asked: shims and mounts are found by our own paths.
        await made.kill()
    finally:
        await made.destroy()
        remove_cgroups(folder.name)
    assert left_running(folder) == []
    assert left_mounted(folder) == []
    assert not made.directory.exists()


def remove_cgroups(name: str) -> None:
    for top in Path("/sys/fs/cgroup").glob(f"**/{name}*"):
        for path in [*sorted(top.rglob("*/"), reverse=True), top]:
            if path.is_dir():
                path.rmdir()


async def test_one_that_cannot_start_says_why(folder: Path) -> None:
    made = Containerd(folder, clock=SystemClock(), binary="/bin/false")
    with pytest.raises(RuntimeUnavailable, match="containerd does not answer at"):
        await made.start(timeout=5)
    await made.destroy()
