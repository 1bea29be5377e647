"""The informer against a server that fails, forgets and falls silent."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sampan.api.errors import InternalError
from sampan.api.kinds import core_v1, discovery_v1, meta_v1
from sampan.client import lean
from sampan.client.errors import Unreachable
from sampan.client.informer import Informer
from sampan.testing.clock import VirtualClock, settle
from sampan.testing.fakeapi import FakeApi


def config(name: str, namespace: str = "a", **labels: str) -> Any:
    return core_v1.ConfigMap(metadata=meta_v1.ObjectMeta(name=name, namespace=namespace, labels=labels or None))


@asynccontextmanager
async def running(api: FakeApi, **options: Any) -> AsyncIterator[tuple[Informer[Any], list[str]]]:
    clock = api.clock
    informer: Informer[Any] = Informer(api, core_v1.ConfigMap, clock, random.Random(1), **options)
    seen: list[str] = []

    def handler(old: Any, new: Any) -> None:
        sign = "+" if old is None else "-" if new is None else "~"
        seen.append(sign + (new or old).metadata.name)

    informer.add_handler(handler)
    task = asyncio.create_task(informer.run())
    await settle()
    try:
        yield informer, seen
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_it_lists_then_follows() -> None:
    api = FakeApi()
    api.add(config("one"))
    async with running(api) as (informer, seen):
        assert informer.has_synced
        await api.create(config("two"))
        api.change(core_v1.ConfigMap, "one", "a", lambda obj: setattr(obj, "data", {"k": "v"}))
        await api.delete(core_v1.ConfigMap, "two", "a")
        await settle()
        assert seen == ["+one", "+two", "~one", "-two"]
        assert [obj.data for obj in informer.list()] == [{"k": "v"}]


async def test_a_selector_turns_changes_into_additions_and_deletions() -> None:
    api = FakeApi()
    async with running(api, labels="app=x") as (_, seen):
        await api.create(config("one"))
        api.change(core_v1.ConfigMap, "one", "a", lambda obj: setattr(obj.metadata, "labels", {"app": "x"}))
        api.change(core_v1.ConfigMap, "one", "a", lambda obj: setattr(obj.metadata, "labels", {"app": "y"}))
        await settle()
        assert seen == ["+one", "-one"]


async def test_a_closed_watch_is_taken_up_where_it_ended() -> None:
    api = FakeApi()
    async with running(api) as (informer, seen):
        api.close_watches()
        await api.create(config("one"))
        await api.clock.advance(5)
        assert seen == ["+one"]
        assert informer.statistics()["lists"] == 1


async def test_a_watch_that_is_too_old_lists_again_and_reports_the_deletion() -> None:
    api = FakeApi()
    api.add(config("one"), config("two"))
    async with running(api) as (informer, seen):
        api.hold_watches()
        await api.delete(core_v1.ConfigMap, "one", "a")
        await api.create(config("three"))
        api.compact()
        api.release_watches()
        await api.clock.advance(60)
        assert sorted(seen[2:]) == ["+three", "-one"]
        assert informer.statistics()["lists"] == 2


async def test_errors_are_retried_with_a_growing_wait() -> None:
    api = FakeApi()
    api.fail("list", error=Unreachable("no route"), times=3)
    api.fail("watch", error=InternalError("broken"), times=2)
    async with running(api) as (informer, _):
        assert not informer.has_synced
        await api.clock.advance(30)
        assert informer.has_synced
        await api.create(config("one"))
        await settle()
        assert informer.get("a/one") is not None


async def test_a_server_that_only_says_gone_is_not_hammered() -> None:
    api = FakeApi(clock=VirtualClock())
    from sampan.api.errors import expired

    api.fail("watch", error=expired("too old"), times=1000)
    async with running(api):
        await api.clock.advance(60)
        assert len(api.actions) < 30


async def test_a_failing_handler_does_not_stop_the_others() -> None:
    api = FakeApi()

    async with running(api) as (informer, seen):
        informer._handlers.insert(0, lambda old, new: 1 / 0)
        await api.create(config("one"))
        await settle()
        assert seen == ["+one"]


async def test_what_readers_do_without_is_dropped() -> None:
    api = FakeApi(VirtualClock())
    before = service("web", "10.96.0.5")
    api.add(before)
    informer: Informer[Any] = Informer(api, core_v1.Service, api.clock, random.Random(1), trim=lean.service)
    task = asyncio.create_task(informer.run())
    await settle()
    api.add(service("api", "10.96.0.6"))
    await settle()
    for name, address in (("web", "10.96.0.5"), ("api", "10.96.0.6")):
        found = informer.get(f"a/{name}")
        assert (found.spec.clusterIP, found.metadata.labels) == (address, {"app": name})
        assert found.spec.selector is found.metadata.annotations is found.metadata.ownerReferences is None
    assert before.spec.selector, "the server's own object is another"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def service(name: str, address: str) -> Any:
    owner = meta_v1.OwnerReference(apiVersion="v1", kind="Node", name="n", uid="u")
    metadata = meta_v1.ObjectMeta(
        name=name, namespace="a", labels={"app": name}, annotations={"a": "b"}, ownerReferences=[owner]
    )
    return core_v1.Service(metadata=metadata, spec=core_v1.ServiceSpec(clusterIP=address, selector={"app": name}))


def test_endpoints_stay_but_not_their_pods() -> None:
    pod = core_v1.ObjectReference(kind="Pod", name="web-1")
    endpoint = discovery_v1.Endpoint(addresses=["10.244.0.2"], nodeName="n1", targetRef=pod)
    piece = discovery_v1.EndpointSlice(
        metadata=meta_v1.ObjectMeta(name="web-1", annotations={"a": "b"}), addressType="IPv4", endpoints=[endpoint]
    )
    lean.endpoint_slice(piece)
    assert (endpoint.addresses, endpoint.nodeName, endpoint.targetRef) == (["10.244.0.2"], "n1", None)
    assert piece.metadata.annotations == {"a": "b"}
