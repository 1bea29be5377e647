"""Which images go when the disk is full."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sampan.cri.messages import pb
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.imagegc import Candidate, ImageCollector, excess_bytes, to_remove
from sampan.kubelet.stats.usage import DiskSpace
from sampan.testing.clock import VirtualClock
from sampan.testing.fakecri import FakeRuntime

from .harness import GIB

CONFIG = KubeletConfig(node_name="n", node_ips=("192.0.2.1",), root=Path("/none"))
ROOMY = DiskSpace(capacity=100 * GIB, available=50 * GIB)
FULL = replace(ROOMY, available=1 * GIB)


def disk(space: DiskSpace) -> Callable[[], Awaitable[DiskSpace]]:
    async def look() -> DiskSpace:
        return space

    return look


def candidate(name: str, used: float, size: int = 10) -> Candidate:
    return Candidate(id=name, size=size, used=used)


@pytest.mark.parametrize(
    ("excess", "now", "oldest", "expected"),
    [
        (15, 1000.0, 0.0, ["a", "b"]),
        (15, 135.0, 0.0, ["a"]),
        (0, 1000.0, 0.0, []),
        (0, 1000.0, 975.0, ["a", "b"]),
        (25, 1000.0, 985.0, ["a", "b", "c"]),
    ],
    ids=["until it is enough", "not what was used two minutes ago", "none without need", "by age", "by need and age"],
)
def test_the_longest_unused_go(excess: int, now: float, oldest: float, expected: list[str]) -> None:
    listed = [candidate("b", 20), candidate("a", 10), candidate("c", 30)]
    assert [c.id for c in to_remove(listed, excess, now, youngest=120.0, oldest=oldest)] == expected


def test_thresholds() -> None:
    assert excess_bytes(replace(ROOMY, available=16 * GIB), CONFIG) == 0
    assert excess_bytes(replace(ROOMY, available=10 * GIB), CONFIG) == 10 * GIB


async def test_images_in_use_pinned_or_our_own_stay() -> None:
    clock = VirtualClock()
    runtime = FakeRuntime(clock, images=["a:1", "b:1", "used:1", "shown:1", "sampan.dev/pause:1", "pinned:1"])
    runtime.images["pinned:1"].pinned = True
    runtime.containers["k"] = pb.ContainerStatus(id="k", image_ref="sha256:used:1")
    events: list[tuple[str, str, str]] = []
    reasons: list[str] = []
    collector = ImageCollector(
        runtime,
        clock,
        CONFIG,
        disk(FULL),
        shown=lambda: {"shown:1"},
        event=lambda *event: events.append(event),
        count=reasons.append,
    )
    assert await collector.collect() == 0, "all have only just been seen"
    assert events[0][1] == "FreeDiskSpaceFailed"
    await clock.advance(300)
    assert await collector.collect() == 2 << 20
    assert set(runtime.images) == {"used:1", "shown:1", "sampan.dev/pause:1", "pinned:1"}
    assert reasons == ["space"] * 2


async def test_what_goes_for_its_age_is_counted_so() -> None:
    clock, reasons = VirtualClock(), []
    runtime = FakeRuntime(clock, images=["a:1"])
    config = replace(CONFIG, image_gc_oldest=600.0)
    collector = ImageCollector(
        runtime, clock, config, disk(ROOMY), shown=set, event=lambda *event: None, count=reasons.append
    )
    assert await collector.collect() == 0
    await clock.advance(601)
    assert await collector.collect() > 0
    assert reasons == ["age"]
