"""Policies from the API into the packet filter, and pods held back until theirs are there."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from sampan.aio.tasks import TaskOwner
from sampan.api.kinds import core_v1, networking_v1
from sampan.client.informers import Informers
from sampan.network.policy.component import CHECK_SECONDS, PolicyEnforcer
from sampan.testing.clock import VirtualClock
from sampan.testing.fakeapi import FakeApi

from .filter import FakeFilter
from .objects import api_pod, policy


class Setting:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.api, self.filter = FakeApi(self.clock), FakeFilter()
        rng = random.Random(1)
        self.informers = Informers(self.api, self.clock, rng)
        self.enforcer = PolicyEnforcer(
            informers=self.informers, clock=self.clock, rng=rng, node_name="n1", packet_filter=self.filter
        )

    async def run(self) -> None:
        async with TaskOwner("test") as owner:
            self.informers.start(owner)
            await self.enforcer.run()

    @property
    def isolated(self) -> set[str]:
        return set((self.filter.sets or {}).get("ingress-4", {}))


@pytest.fixture
async def setting() -> AsyncIterator[Setting]:
    setting = Setting()
    task = asyncio.create_task(setting.run())
    await setting.clock.advance(1)
    yield setting
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_without_policies_there_is_no_table_and_pods_are_not_watched(setting: Setting) -> None:
    setting.api.add(api_pod("a", "10.0.0.1"))
    await setting.clock.advance(1)
    assert setting.filter.sets is None and setting.enforcer.healthy()
    assert list(setting.informers.statistics()) == ["networkpolicies"]
    texts = len(setting.filter.texts)
    await setting.enforcer.admit(api_pod("b"), ["10.0.0.2"])
    assert len(setting.filter.texts) == texts


async def test_pods_here_are_isolated_and_freed(setting: Setting) -> None:
    setting.api.add(
        api_pod("a", "10.0.0.1"),
        api_pod("far", "10.0.1.1", node="n2"),
        api_pod("host", "192.0.2.1", spec__hostNetwork=True),
        api_pod("ended", "10.0.0.9", status__phase="Succeeded"),
        api_pod("odd", "10.0.0.1; flush ruleset"),
        policy("p"),
    )
    await setting.clock.advance(1)
    assert setting.isolated == {"10.0.0.1"}
    setting.api.remove(networking_v1.NetworkPolicy, "p", "default")
    await setting.clock.advance(1)
    assert setting.filter.sets is None
    setting.api.add(policy("p"))
    await setting.clock.advance(1)
    assert setting.isolated == {"10.0.0.1"}


async def test_a_pod_waits_until_its_rules_are_there(setting: Setting) -> None:
    setting.api.add(policy("p"))
    await setting.clock.advance(1)
    setting.filter.refuse = 1
    admission = asyncio.create_task(setting.enforcer.admit(api_pod("a"), ["10.0.0.1"]))
    await setting.clock.advance(0.05)
    assert not admission.done() and not setting.enforcer.healthy()
    await setting.clock.advance(5)
    assert admission.done() and setting.isolated == {"10.0.0.1"}
    setting.api.add(api_pod("a"))
    await setting.clock.advance(1)
    assert setting.isolated == {"10.0.0.1"}, "the API does not tell its address yet"
    setting.api.remove(core_v1.Pod, "a", "default")
    await setting.clock.advance(1)
    assert setting.isolated == set()


async def test_whoever_waits_when_it_ends_is_told(setting: Setting) -> None:
    enforcer = PolicyEnforcer(
        informers=setting.informers,
        clock=setting.clock,
        rng=random.Random(1),
        node_name="n1",
        packet_filter=setting.filter,
    )
    setting.api.add(policy("p"))
    setting.filter.refuse = 1000
    task = asyncio.create_task(enforcer.run())
    admission = asyncio.create_task(enforcer.admit(api_pod("a"), ["10.0.0.1"]))
    await setting.clock.advance(1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    with pytest.raises(OSError, match="starts anew"):
        await admission


async def test_rules_that_somebody_changed_are_written_anew(setting: Setting) -> None:
    setting.api.add(policy("p"), api_pod("a", "10.0.0.1"))
    await setting.clock.advance(1)
    texts = len(setting.filter.texts)
    setting.filter.touched = True
    await setting.clock.advance(CHECK_SECONDS + 1)
    assert len(setting.filter.texts) == texts + 1
    assert setting.filter.texts[-1].startswith("add table inet sampan-policy\ndelete table inet sampan-policy\n")


async def test_what_is_being_written_is_not_taken_for_damage(
    setting: Setting, caplog: pytest.LogCaptureFixture
) -> None:
    """The kernel may be slow: it lacks what it was not told of yet."""
    texts = len(setting.filter.texts)
    setting.filter.open.clear()
    setting.filter.touched = True
    setting.api.add(api_pod("a", "10.0.0.1"), policy("p"))
    await setting.clock.advance(3 * CHECK_SECONDS)
    setting.filter.open.set()
    await setting.clock.advance(2 * CHECK_SECONDS)
    assert setting.isolated == {"10.0.0.1"}
    assert len(setting.filter.texts) == texts + 1
    assert "somebody else" not in caplog.text
