"""One containerd for all tests of a worker process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from .harness import Machine, Node, running_node


@pytest.fixture(scope="session")
def machine() -> Iterator[Machine]:
    made = Machine()
    try:
        asyncio.run(made.start())
        yield made
    finally:
        asyncio.run(made.destroy())


@pytest.fixture
async def node(machine: Machine) -> AsyncIterator[Node]:
    async with running_node(Node(machine)) as made:
        yield made
