"""Pulls under way: one for all who want the same image with the same credential, so many at a time.

A pull goes on while anybody waits for it. When the last pod that wanted it is gone it ends, so that a registry that
hangs holds no place for ever.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from sampan.aio.clock import Clock
from sampan.cri.interface import Runtime
from sampan.cri.messages import pb
from sampan.kubelet.pullsecrets import Credential


@dataclass(frozen=True, slots=True)
class Pulled:
    """`seconds` is what the pull took, without waiting for its turn."""

    reference: str
    seconds: float


@dataclass(slots=True)
class UnderWay:
    task: asyncio.Task[Pulled]
    waiting: int = 0


class Pulls:
    """At most `parallel` at a time, in the order they were asked for; one at a time is upstream's serial pulling."""

    def __init__(self, runtime: Runtime, clock: Clock, *, parallel: int) -> None:
        self._runtime = runtime
        self._clock = clock
        self._turns = asyncio.Semaphore(parallel)
        self._pulls: dict[tuple[str, Credential | None], UnderWay] = {}

    async def pull(self, image: str, credential: Credential | None) -> Pulled:
        """Raises RuntimeFailure."""
        key = (image, credential)
        pull = self._pulls.get(key)
        if pull is None:
            task = asyncio.get_running_loop().create_task(self._in_turn(image, credential), name=f"pull {image}")
            pull = self._pulls[key] = UnderWay(task)
            task.add_done_callback(lambda done: self._ended(key, done))
        pull.waiting += 1
        try:
            return await asyncio.shield(pull.task)
        finally:
            pull.waiting -= 1
            if not pull.waiting:
                pull.task.cancel()
                if self._pulls.get(key) is pull:
                    del self._pulls[key]

    def _ended(self, key: tuple[str, Credential | None], task: asyncio.Task[Pulled]) -> None:
        known = self._pulls.get(key)
        if known is not None and known.task is task:
            del self._pulls[key]
        if not task.cancelled():
            task.exception()  # Seen here, in case nobody waits any more.

    async def _in_turn(self, image: str, credential: Credential | None) -> Pulled:
        async with self._turns:
            began = self._clock.monotonic()
            reference = await self._runtime.pull_image(image, auth_config(credential), None)
            return Pulled(reference, self._clock.monotonic() - began)

    async def close(self) -> None:
        tasks = [pull.task for pull in self._pulls.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def statistics(self) -> dict[str, Any]:
        return {"pulling": sorted(image for image, _ in self._pulls)}


def auth_config(credential: Credential | None) -> Any:
    """The registry is left out: the runtime has it from the image, and takes an address only as a URL."""
    if credential is None:
        return None
    return pb.AuthConfig(
        username=credential.username,
        password=credential.password,
        identity_token=credential.identity_token,
    )
