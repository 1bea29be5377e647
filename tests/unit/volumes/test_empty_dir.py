"""emptyDir: sizes, media, and that what a pod has done to its folder stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sampan.volumes import kinds
from sampan.volumes.errors import VolumeError

from .harness import World

MIB = 1 << 20


def limits(*amounts: str | None) -> list[dict[str, Any]]:
    given = [{"resources": {"limits": {"memory": amount}}} if amount else {} for amount in amounts]
    return [{"name": f"c{number}", **one} for number, one in enumerate(given)]


@pytest.mark.parametrize(
    ("size", "spec", "expected"),
    [
        ("1Mi", {}, MIB),
        (None, {}, 8 << 30),
        ("16Gi", {}, 8 << 30),
        (None, {"containers": limits("3Mi", "4Mi")}, 7 * MIB),
        (None, {"containers": limits("3Mi", None)}, 8 << 30),
        ("1Gi", {"containers": limits("3Mi")}, 3 * MIB),
        (None, {"containers": limits("3Mi"), "resources": {"limits": {"memory": "9Mi"}}}, 9 * MIB),
        ("0", {}, 8 << 30),
    ],
)
async def test_memory_is_as_large_as_the_smallest_limit(
    tmp_path: Path, size: str | None, spec: dict[str, Any], expected: int
) -> None:
    volume = {"medium": "Memory"} | ({"sizeLimit": size} if size else {})
    world = World(tmp_path, [{"name": "v", "emptyDir": volume}], **spec)
    await world.set_up()
    assert world.mounter.mounts == [("v", expected)]


def pages(*sizes: str) -> dict[str, Any]:
    return {"containers": [{"name": "c", "resources": {"limits": {f"hugepages-{size}": "4Mi" for size in sizes}}}]}


@pytest.mark.parametrize(
    ("medium", "spec", "expected"),
    [
        ("HugePages", pages("2Mi"), 2 * MIB),
        ("HugePages-1Gi", pages("2Mi", "1Gi"), 1 << 30),
        ("HugePages", pages("2Mi", "1Gi"), "exactly one size, not: 1Gi, 2Mi"),
        ("HugePages", {}, "exactly one size, not: none"),
        ("HugePages-1Gi", pages("2Mi"), "of a size that no container"),
        ("Paper", {}, 'unknown medium "Paper"'),
    ],
)
async def test_huge_pages(tmp_path: Path, medium: str, spec: dict[str, Any], expected: int | str) -> None:
    world = World(tmp_path, [{"name": "v", "emptyDir": {"medium": medium}}], **spec)
    if isinstance(expected, str):
        with pytest.raises(VolumeError, match=expected):
            await world.set_up()
    else:
        await world.set_up()
        assert world.mounter.mounts == [("v", f"pages of {expected}")]


async def test_it_is_made_once(tmp_path: Path) -> None:
    world = World(
        tmp_path, [{"name": "v", "emptyDir": {}}], securityContext={"fsGroup": 7, "fsGroupChangePolicy": "Always"}
    )
    path = (await world.set_up())["v"]
    path.chmod(0o700)
    await kinds.set_up(world.volumes)
    assert path.stat().st_mode & 0o777 == 0o700
    assert world.mounter.owned == [("v", 7, "Always")]


async def test_one_whose_making_was_cut_short_is_made_again(tmp_path: Path) -> None:
    world = World(tmp_path, [{"name": "v", "emptyDir": {"medium": "Memory"}}])
    path = (await world.set_up())["v"]
    world.mounter.points.clear()
    path.chmod(0o700)
    await kinds.set_up(world.volumes)
    assert len(world.mounter.mounts) == 2
    assert path.stat().st_mode & 0o777 == 0o777
