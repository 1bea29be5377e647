from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping

import pytest

from sampan.api.kinds import core_v1, discovery_v1
from sampan.network.proxy import ServiceProxy
from sampan.network.proxy.backend import Ports
from sampan.testing.clock import VirtualClock
from sampan.testing.fakeapi import FakeApi

from .fakes import FakeBackend
from .objects import endpoint_slice, service


class Setting:
    def __init__(self, backend: FakeBackend | None = None) -> None:
        self.clock = VirtualClock()
        self.api = FakeApi(self.clock)
        self.backend = backend or FakeBackend()
        self.forgotten: list[set[str]] = []
        self.proxy = ServiceProxy(
            client=self.api, clock=self.clock, rng=random.Random(1), node_name="n1", backends={"IPv4": self.backend},
            forget=self._forget,
        )  # fmt: skip

    async def _forget(self, addresses: set[str]) -> None:
        self.forgotten.append(addresses)

    def endpoints(self, name: str) -> list[str]:
        return [endpoint.address for port in self.backend.rules[f"default/{name}"] for endpoint in port.everywhere]


@pytest.fixture
async def setting() -> AsyncIterator[Setting]:
    setting = Setting()
    setting.api.add(service("web"), endpoint_slice("web", "10.244.0.2"))
    task = asyncio.create_task(setting.proxy.run())
    await setting.clock.advance(1)
    yield setting
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_writes_everything_once_then_only_changes(setting: Setting) -> None:
    assert setting.backend.calls == ["replace"]
    assert setting.proxy.healthy()
    setting.api.add(service("other", "10.96.0.6"))
    await setting.clock.advance(1)
    setting.api.change(discovery_v1.EndpointSlice, "web-1", "default", lambda piece: piece.endpoints.clear())
    await setting.clock.advance(1)
    assert setting.backend.calls == ["replace", "update default/other", "update default/web"]
    assert setting.endpoints("web") == []


async def test_a_change_that_changes_no_rule_is_not_applied(setting: Setting) -> None:
    setting.api.change(core_v1.Service, "web", "default", lambda obj: setattr(obj.metadata, "annotations", {"a": "b"}))
    await setting.clock.advance(1)
    assert setting.backend.calls == ["replace"]


async def test_changes_in_one_instant_share_a_transaction(setting: Setting) -> None:
    setting.api.add(service("a", "10.96.0.7"), service("b", "10.96.0.8"), endpoint_slice("a", "10.244.0.3"))
    await setting.clock.advance(1)
    assert setting.backend.calls[1:] == ["update default/a default/b"]


def spread(piece: discovery_v1.EndpointSlice) -> None:
    """An endpoint on each of two nodes."""
    nodes = {"10.244.0.2": "n1", "10.244.1.2": "n2"}
    piece.endpoints = [discovery_v1.Endpoint(addresses=[a], nodeName=node) for a, node in nodes.items()]


async def test_connections_begin_anew_only_once_the_rules_lead_elsewhere(setting: Setting) -> None:
    """A node falls silent while rules are being written that do not know of it yet."""
    setting.api.change(discovery_v1.EndpointSlice, "web-1", "default", spread)
    await setting.clock.advance(1)
    led_to: list[list[str]] = []

    async def forget(addresses: set[str]) -> None:
        led_to.append(setting.endpoints("web"))

    setting.proxy._forget = forget
    setting.backend.meanwhile = lambda: setting.proxy.avoid(frozenset({"n2"}))
    setting.api.add(service("other", "10.96.0.6"))
    await setting.clock.advance(1)
    assert led_to == [["10.244.0.2"]]


async def test_endpoints_on_a_node_that_does_not_answer_are_avoided_until_it_does(setting: Setting) -> None:
    setting.api.change(discovery_v1.EndpointSlice, "web-1", "default", spread)
    setting.api.add(service("other", "10.96.0.6"), endpoint_slice("other", "10.244.0.3"))
    await setting.clock.advance(1)
    setting.proxy.avoid(frozenset({"n2"}))
    await setting.clock.advance(1)
    assert setting.endpoints("web") == ["10.244.0.2"]
    assert setting.backend.calls[-1] == "update default/web"
    assert setting.forgotten == [{"10.244.1.2"}]
    assert setting.proxy.statistics()["unreachableNodes"] == ["n2"]
    setting.proxy.avoid(frozenset())
    await setting.clock.advance(1)
    assert setting.endpoints("web") == ["10.244.0.2", "10.244.1.2"]
    assert setting.forgotten == [{"10.244.1.2"}]


async def test_a_deleted_service_goes(setting: Setting) -> None:
    await setting.api.delete(core_v1.Service, "web", "default")
    await setting.clock.advance(1)
    assert setting.backend.rules == {}


async def test_a_refused_change_is_mended_by_writing_everything(setting: Setting) -> None:
    setting.backend.refuse = 2
    setting.api.add(service("other", "10.96.0.6"))
    await setting.clock.advance(0.1)
    assert not setting.proxy.healthy()
    await setting.clock.advance(10)
    assert setting.backend.calls == ["replace", "update default/other", "replace", "replace"]
    assert setting.proxy.healthy()
    assert set(setting.backend.rules) == {"default/web", "default/other"}


async def test_what_other_modes_left_is_taken_away_once() -> None:
    clock, left, stubborn = VirtualClock(), FakeBackend(), FakeBackend()
    stubborn.refuse = 1
    proxy = ServiceProxy(
        client=FakeApi(clock), clock=clock, rng=random.Random(1), node_name="n1", backends={"IPv4": FakeBackend()},
        former=[left, stubborn],
    )  # fmt: skip
    task = asyncio.create_task(proxy.run())
    await clock.advance(30)
    assert left.calls == stubborn.calls == ["remove"]
    assert proxy.healthy()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_foreign_damage_is_repaired(setting: Setting) -> None:
    setting.backend.touched = True
    await setting.clock.advance(6)
    assert setting.backend.calls == ["replace", "replace"]
    assert setting.proxy.statistics()["repairs"] == 1


async def test_everything_is_written_anew_every_hour(setting: Setting) -> None:
    """Whoever exchanged a rule for another was not noticed by counting."""
    await setting.clock.advance(3500)
    assert setting.backend.calls == ["replace"]
    await setting.clock.advance(3700)
    assert setting.backend.calls == ["replace"] * 3
    assert setting.proxy.healthy()
    assert setting.proxy.statistics()["repairs"] == 0


async def test_what_changes_while_all_is_written_is_written_then() -> None:
    class Slow(FakeBackend):
        written = asyncio.Event()

        async def replace(self, services: Mapping[str, Ports]) -> None:
            await super().replace(services)
            await self.written.wait()

    setting = Setting(Slow())
    setting.api.add(service("web"), endpoint_slice("web", "10.244.0.2"))
    task = asyncio.create_task(setting.proxy.run())
    await setting.clock.advance(1)
    moved = endpoint_slice("web", "10.244.0.3", "10.244.0.4").endpoints
    setting.api.change(discovery_v1.EndpointSlice, "web-1", "default", lambda piece: setattr(piece, "endpoints", moved))
    await setting.clock.advance(1)
    assert setting.endpoints("web") == ["10.244.0.2"]
    Slow.written.set()
    await setting.clock.advance(1)
    assert setting.backend.calls == ["replace", "update default/web"]
    assert setting.endpoints("web") == ["10.244.0.3", "10.244.0.4"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
