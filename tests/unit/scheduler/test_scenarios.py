"""The scheduler against its scenario files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from . import scenarios
from .harness import World


@pytest.mark.parametrize("path", scenarios.files(), ids=lambda path: path.stem)
async def test_scenario(path: Path) -> None:
    world = World()
    steps = list(scenarios.sections(path))
    assert steps[0][0] == "given"
    for entry in steps[0][1]:
        world.add(entry)
    async with world.running():
        for name, body in steps[1:]:
            if name == "then":
                for entry in body:
                    await world.act(entry)
                await world.clock.advance(0.1)
            elif name == "expect":
                assert {pod: seen(world, pod, wanted) for pod, wanted in body.items()} == body
            else:
                assert name == "event"
                assert set(body) <= set(world.events())


def seen(world: World, pod: str, wanted: Any) -> Any:
    """What is to be compared with `wanted`, and `wanted` itself when it holds."""
    found = world.pod(pod)
    if found is None or found.metadata.deletionTimestamp:
        return "gone"
    if isinstance(wanted, list):
        return wanted if found.spec.nodeName in wanted else found.spec.nodeName
    if isinstance(wanted, dict):
        have = {"message": world.message(pod), "nominated": found.status.nominatedNodeName}
        return {key: have[key] for key in wanted}
    return found.spec.nodeName
