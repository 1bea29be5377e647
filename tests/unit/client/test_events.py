"""The event recorder: counts instead of copies, and a bound on everything."""

from __future__ import annotations

import random
from typing import Any

from sampan.api.kinds import core_v1, meta_v1
from sampan.client.errors import Unreachable
from sampan.client.events import EventRecorder
from sampan.testing.fakeapi import FakeApi


def pod(name: str = "web") -> Any:
    return core_v1.Pod(metadata=meta_v1.ObjectMeta(name=name, namespace="a", uid=f"uid-{name}"))


def recorder(api: FakeApi) -> EventRecorder:
    return EventRecorder(api, "kubelet", "node-1", api.clock, random.Random(1))


async def test_an_event_says_who_what_and_when() -> None:
    api = FakeApi()
    events = recorder(api)
    events.event(pod(), "Warning", "BackOff", "restarting", field_path="spec.containers{app}")
    await events.flush()
    (event,) = api.all(core_v1.Event, "a")
    assert event.involvedObject.kind == "Pod"
    assert event.involvedObject.fieldPath == "spec.containers{app}"
    assert (event.source.component, event.source.host) == ("kubelet", "node-1")
    assert (event.reportingComponent, event.reportingInstance) == ("kubelet", "node-1")
    assert (event.firstTimestamp, event.count) == ("2026-01-01T00:00:00Z", 1)


async def test_the_same_event_again_raises_the_count() -> None:
    api = FakeApi()
    events = recorder(api)
    for _ in range(3):
        events.event(pod(), "Normal", "Pulled", "image present")
    await events.flush()
    (event,) = api.all(core_v1.Event, "a")
    assert event.count == 3


async def test_an_event_that_was_deleted_meanwhile_is_written_anew() -> None:
    api = FakeApi()
    events = recorder(api)
    events.event(pod(), "Normal", "Pulled", "image present")
    await events.flush()
    api.remove(core_v1.Event, api.all(core_v1.Event)[0].metadata.name, "a")
    events.event(pod(), "Normal", "Pulled", "image present")
    await events.flush()
    assert len(api.all(core_v1.Event)) == 1


async def test_many_messages_on_one_reason_are_joined() -> None:
    api = FakeApi()
    events = recorder(api)
    for number in range(20):
        events.event(pod(), "Normal", "Created", f"pod-{number}")
    await events.flush()
    written = api.all(core_v1.Event, "a")
    assert len(written) == 11
    assert sum(event.count for event in written) == 20


async def test_one_object_has_a_budget() -> None:
    api = FakeApi()
    events = recorder(api)
    for _ in range(100):
        events.event(pod(), "Warning", "Failed", "again")
    events.event(pod("other"), "Warning", "Failed", "again")
    await events.flush()
    assert sorted(event.count for event in api.all(core_v1.Event)) == [1, 25]
    await api.clock.advance(301)
    events.event(pod(), "Warning", "Failed", "again")
    await events.flush()
    assert sorted(event.count for event in api.all(core_v1.Event)) == [1, 26]


async def test_a_server_out_of_reach_loses_the_event_and_nothing_else() -> None:
    api = FakeApi()
    events = recorder(api)
    api.fail("create", "events", Unreachable("refused"))
    events.event(pod(), "Normal", "One", "one")
    events.event(pod(), "Normal", "Two", "two")
    await events.flush()
    assert [event.reason for event in api.all(core_v1.Event)] == ["Two"]
