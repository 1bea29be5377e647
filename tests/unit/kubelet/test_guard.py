"""No container before what guards the pod's network is in place."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .harness import node


async def test_containers_wait_for_the_guard(tmp_path: Path) -> None:
    in_place = asyncio.Event()
    asked: list[tuple[str, Sequence[str]]] = []

    async def guard(pod: Any, addresses: Sequence[str]) -> None:
        asked.append((pod.metadata.name, tuple(addresses)))
        await in_place.wait()

    async with node(tmp_path) as n:
        n.guard = guard
        n.pod()
        await n.advance(2)
        assert len(asked) == 1
        assert n.runtime.running() == [] and not n.runtime.called("create_container")
        in_place.set()
        await n.advance(1)
        assert n.runtime.running() == ["c"]
        assert asked == [("p", tuple(ip.ip for ip in n.status().podIPs))]


async def test_a_guard_that_fails_is_asked_again(tmp_path: Path) -> None:
    failures = [OSError("the network policies' keeper has ended, and starts anew")]

    async def guard(pod: Any, addresses: Sequence[str]) -> None:
        if failures:
            raise failures.pop()

    async with node(tmp_path) as n:
        n.guard = guard
        n.pod()
        await n.advance(0.5)
        assert n.container().state.waiting.reason == "CreateContainerError"
        await n.advance(15)
        assert n.runtime.running() == ["c"]


async def test_a_pod_in_its_nodes_network_is_not_guarded(tmp_path: Path) -> None:
    async def guard(pod: Any, addresses: Sequence[str]) -> None:
        raise AssertionError("nobody asks")

    async with node(tmp_path) as n:
        n.guard = guard
        n.pod(hostNetwork=True)
        await n.advance(1)
        assert n.runtime.running() == ["c"]
