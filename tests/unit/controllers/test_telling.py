"""Statuses on their way wait, last words do not."""

from __future__ import annotations

import random
from typing import Any

import pytest

from sampan.api.kinds import apps_v1, core_v1, meta_v1
from sampan.client.informers import Informers
from sampan.controllers.telling import LEAST_SECONDS, MOST_SECONDS, StatusWriter
from sampan.controllers.writer import Writer
from sampan.testing.clock import VirtualClock
from sampan.testing.fakeapi import FakeApi


class Told:
    """A ReplicaSet on the fake API and what writes its status."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.api = FakeApi(self.clock, random.Random(1))
        self.write = StatusWriter(
            Writer(self.api, Informers(self.api, self.clock, random.Random(1)), random.Random(1)), self.clock
        )
        labels = {"app": "web"}
        template = core_v1.PodTemplateSpec(metadata=meta_v1.ObjectMeta(labels=labels))
        spec = apps_v1.ReplicaSetSpec(selector=meta_v1.LabelSelector(matchLabels=labels), template=template)
        self.api.add(apps_v1.ReplicaSet(metadata=meta_v1.ObjectMeta(name="web", namespace="a"), spec=spec))

    async def tell(
        self, *, pods: int = 10, done: bool = False, share: float = 0.0, alone: bool = True, **fields: Any
    ) -> float | None:
        owner = self.api.all(apps_v1.ReplicaSet)[0]
        status = apps_v1.ReplicaSetStatus(**{"replicas": 10, "observedGeneration": 1, **fields})
        return await self.write.tell(owner, status, pods=pods, done=done, share=share, alone=alone)

    def ready(self) -> int | None:
        status = self.api.all(apps_v1.ReplicaSet)[0].status
        return status.readyReplicas if status is not None else None


FAILURE = apps_v1.ReplicaSetCondition(type="ReplicaFailure", status="True", reason="FailedCreate")


@pytest.mark.parametrize(
    ("second", "written"),
    [
        ({"readyReplicas": 2}, False),
        ({"readyReplicas": 2, "done": True}, True),
        ({"readyReplicas": 2, "observedGeneration": 2}, True),
        ({"readyReplicas": 2, "conditions": [FAILURE]}, True),
    ],
)
async def test_only_what_is_on_the_way_waits(second: dict[str, Any], written: bool) -> None:
    told = Told()
    assert await told.tell(readyReplicas=1) is None
    again = await told.tell(**second)
    assert (told.ready() == 2, again is None) == (written, written)
    await told.clock.advance(again or 0)
    assert await told.tell(**second) is None
    assert told.ready() == 2


@pytest.mark.parametrize(("pods", "least", "most"), [(1, LEAST_SECONDS, 0.3), (10**6, MOST_SECONDS, MOST_SECONDS)])
async def test_more_pods_wait_longer(pods: int, least: float, most: float) -> None:
    told = Told()
    await told.tell(pods=pods, readyReplicas=1)
    again = await told.tell(pods=pods, readyReplicas=2)
    assert again is not None
    assert least <= again <= most


@pytest.mark.parametrize(("ready", "most"), [(2, 2.0), (30, 1.1)])
async def test_little_news_waits_longer(ready: int, most: float) -> None:
    told = Told()
    await told.tell(pods=100, share=0.25, readyReplicas=1)
    again = await told.tell(pods=100, share=0.25, readyReplicas=ready)
    assert again is not None
    assert most / 2 < again <= most


async def test_the_generation_of_a_set_that_a_deployment_commands_can_wait() -> None:
    told = Told()
    await told.tell(readyReplicas=1, alone=False)
    assert await told.tell(readyReplicas=1, observedGeneration=2, alone=False) is not None
    assert await told.tell(readyReplicas=1, observedGeneration=2) is None


async def test_a_status_that_says_nothing_new_is_not_written_and_an_object_gone_is_no_error() -> None:
    told = Told()
    await told.tell(readyReplicas=1)
    written = len(told.api.writes)
    assert await told.tell(readyReplicas=1) is None
    assert len(told.api.writes) == written
    owner = told.api.all(apps_v1.ReplicaSet)[0]
    told.api.remove(apps_v1.ReplicaSet, "web", "a")
    await told.write.put(owner, apps_v1.ReplicaSetStatus(replicas=0))
