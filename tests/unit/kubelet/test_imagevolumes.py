"""Images as volumes: pulled like any image, mounted from the runtime's layers, let go with the pod."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sampan.cri.errors import RuntimeFailure, RuntimeUnsupported
from sampan.cri.snapshots import View
from sampan.kubelet.imagevolumes import mountable

from .harness import Node

VIEW = View("overlay", "overlay", ("index=off", "lowerdir=/s/2/fs:/s/1/fs"))


class FakeViews:
    def __init__(self) -> None:
        self.made: list[tuple[str, str, str]] = []
        self.failure: RuntimeFailure | None = None

    async def view(self, image: str, uid: str, name: str) -> Sequence[View]:
        if self.failure is not None:
            raise self.failure
        self.made.append((image, uid, name))
        return [VIEW]

    async def release(self, uid: str) -> None:
        self.made = [made for made in self.made if made[1] != uid]


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (View("bind", "/s/1/fs", ("ro", "rbind")), ("none", ["ro", "rbind"], Path("/"))),
        (VIEW, ("overlay", ["index=off", "ro", "lowerdir=2/fs:1/fs"], Path("/s"))),
        (View("overlay", "overlay", ("lowerdir=/s/1/fs",)), ("overlay", ["lowerdir=/s/1/fs", "ro"], Path("/"))),
        (View("erofs", "/dev/x", ("loop",)), ("erofs", ["loop", "ro"], Path("/"))),
    ],
)
def test_how_a_view_is_mounted(view: View, expected: Any) -> None:
    assert mountable(view) == expected


@pytest.fixture
async def node(tmp_path: Path) -> Any:
    made = Node(tmp_path)
    made.views = FakeViews()
    await made.start()
    yield made
    await made.stop()


def pod(n: Node, **image: str) -> None:
    n.pod(volumes=[{"name": "v", "image": {"reference": "r/data:1", **image}}])


async def test_it_is_pulled_mounted_and_let_go(node: Node) -> None:
    node.runtime.registry.add("r/data:1")
    pod(node)
    await node.advance(1)
    assert node.views.made == [("sha256:r/data:1", "uid-p", "v")]
    assert [source for point, source in node.mounter.mounts if point.endswith("kubernetes.io~image/v")] == ["overlay"]
    assert 'Pulling: Pulling image "r/data:1"' in node.events()
    assert node.runtime.running() == ["c"]
    await node.delete()
    await node.advance(40)
    assert node.get() is None
    assert node.views.made == []


async def test_what_was_left_by_a_kubelet_that_died_is_let_go(node: Node) -> None:
    (node.config.root / "pods/uid-old/volumes/kubernetes.io~image/v").mkdir(parents=True)
    node.views.made.append(("x", "uid-old", "v"))
    await node.advance(61)
    assert node.views.made == []


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (RuntimeUnsupported("unknown service"), "image volumes need containerd, and this node has another runtime"),
        (RuntimeFailure("no chain"), "the files of r/data:1 cannot be shown: no chain"),
        (None, "ErrImagePull: access denied"),
    ],
)
async def test_why_there_is_none(node: Node, failure: RuntimeFailure | None, told: str) -> None:
    node.views.failure = failure
    if failure is None:
        node.runtime.refusals["r/data:1"] = "access denied"
    else:
        node.runtime.registry.add("r/data:1")
    pod(node)
    await node.advance(1)
    assert f'FailedMount: MountVolume.SetUp failed for volume "v" : {told}' in node.events()
    node.views.failure = None
    node.runtime.registry.add("r/data:1")
    await node.advance(2)
    assert node.runtime.running() == ["c"]


async def test_a_pod_deleted_while_its_volume_hangs_goes_at_once(node: Node) -> None:
    node.mounter.hanging = True
    node.pod("nfs", volumes=[{"name": "v", "nfs": {"server": "s", "path": "/p"}}])
    await node.advance(1)
    await node.delete("nfs")
    await node.advance(1)
    assert node.get("nfs") is None
    assert not list((node.config.root / "pods").iterdir())


async def test_a_kubelet_killed_while_a_volume_is_made_comes_to_the_same_place(tmp_path: Path) -> None:
    for moment in range(6):
        n = Node(tmp_path / str(moment))
        n.views, n.runtime.latency = FakeViews(), 0.1
        n.runtime.registry.add("r/data:1")
        n.runtime.pull_seconds = 0.2
        await n.start()
        pod(n)
        await n.advance(moment * 0.07)
        await n.stop()
        await n.start()
        await n.advance(5)
        assert n.runtime.running() == ["c"], moment
        assert len(n.views.made) == 1 or moment, moment
        await n.delete()
        await n.advance(moment * 0.07)
        await n.stop()
        await n.start()
        await n.advance(60)
        assert (n.get(), n.views.made, n.mounter.mounts) == (None, [], []), moment
        await n.stop()
