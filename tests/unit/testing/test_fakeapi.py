"""The fake API server keeps the rules that components lean on."""

from __future__ import annotations

from typing import Any

import pytest

from sampan.api.errors import AlreadyExists, Conflict, Forbidden, NotFound
from sampan.api.kinds import apps_v1, core_v1, meta_v1
from sampan.client.interface import Resource
from sampan.testing.fakeapi import FakeApi


def pod(name: str = "p", **spec: Any) -> Any:
    return core_v1.Pod(metadata=meta_v1.ObjectMeta(name=name, namespace="a"), spec=core_v1.PodSpec(**spec))


async def test_create_fills_in_and_refuses_a_second() -> None:
    api = FakeApi()
    made = await api.create(pod())
    assert made.metadata.uid and made.metadata.resourceVersion and made.metadata.generation == 1
    with pytest.raises(AlreadyExists):
        await api.create(pod())
    named = await api.create(core_v1.Pod(metadata=meta_v1.ObjectMeta(generateName="x-", namespace="a")))
    assert named.metadata.name.startswith("x-")


async def test_update_minds_the_version_and_leaves_status_alone() -> None:
    api = FakeApi()
    made = await api.create(pod())
    made.spec.nodeName = "n"
    made.status = core_v1.PodStatus(phase="Running")
    updated = await api.update(made)
    assert (updated.spec.nodeName, updated.status.phase, updated.metadata.generation) == ("n", "Pending", 2)
    with pytest.raises(Conflict):
        await api.update(made)
    updated.status.phase = "Running"
    updated.spec.nodeName = "other"
    final = await api.update_status(updated)
    assert (final.spec.nodeName, final.status.phase, final.metadata.generation) == ("n", "Running", 2)


async def test_a_write_that_changes_nothing_has_no_revision() -> None:
    api = FakeApi()
    made = await api.create(pod())
    assert (await api.update(made)).metadata.resourceVersion == made.metadata.resourceVersion


async def test_a_bound_pod_ends_gracefully_and_an_unbound_one_at_once() -> None:
    api = FakeApi()
    api.add(pod("bound", nodeName="n"), pod("unbound"))
    left = await api.delete(core_v1.Pod, "bound", "a")
    assert left.metadata.deletionGracePeriodSeconds == 30
    assert await api.delete(core_v1.Pod, "unbound", "a") is None
    assert await api.delete(core_v1.Pod, "bound", "a", grace_period_seconds=0) is None
    with pytest.raises(NotFound):
        await api.get(core_v1.Pod, "bound", "a")


async def test_finalizers_hold_an_object_until_they_are_taken_away() -> None:
    api = FakeApi()
    await api.create(apps_v1.Deployment(metadata=meta_v1.ObjectMeta(name="d", namespace="a")))
    left = await api.delete(apps_v1.Deployment, "d", "a", propagation_policy="Foreground")
    assert left.metadata.finalizers == ["foregroundDeletion"]
    await api.patch(apps_v1.Deployment, "d", "a", {"metadata": {"finalizers": None}})
    assert api.all(apps_v1.Deployment) == []


async def test_a_namespace_waits_for_its_finalizer_and_takes_nothing_new() -> None:
    api = FakeApi()
    await api.create(core_v1.Namespace(metadata=meta_v1.ObjectMeta(name="a")))
    left = await api.delete(core_v1.Namespace, "a")
    assert left.status.phase == "Terminating"
    with pytest.raises(Forbidden):
        await api.create(pod())
    left.spec.finalizers = []
    await api.update(left, subresource="finalize")
    assert api.all(core_v1.Namespace) == []


async def test_a_named_resource_gives_dicts_and_metadata_alone_when_asked() -> None:
    api = FakeApi()
    api.add(pod(nodeName="n"))
    assert (await api.get(Resource("", "v1", "pods", True, "Pod"), "p", "a"))["spec"]["nodeName"] == "n"
    only = Resource("", "v1", "pods", True, "Pod", metadata_only=True)
    assert set((await api.list(only)).items[0]) == {"apiVersion", "kind", "metadata"}


async def test_field_selectors_reach_any_field() -> None:
    api = FakeApi()
    api.add(pod("one", nodeName="n1"), pod("two", nodeName="n2"))
    listed = await api.list(core_v1.Pod, fields="spec.nodeName=n2")
    assert [p.metadata.name for p in listed.items] == ["two"]


async def test_an_error_after_the_write_leaves_it_done() -> None:
    api = FakeApi()
    api.fail("create", "pods", after=True)
    with pytest.raises(Exception, match="injected"):
        await api.create(pod())
    assert len(api.all(core_v1.Pod)) == 1
    assert [str(action) for action in api.writes] == ["create pods a/p"]
