"""Namespaces from beginning to end: what they get, and how they are emptied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sampan.api.errors import InternalError
from sampan.api.kinds import coordination_v1, core_v1, meta_v1
from sampan.controllers.context import Config
from sampan.controllers.defaults import RootCaController, ServiceAccountController
from sampan.controllers.namespace import NamespaceController
from tests.unit.controllers.harness import World, meta, pod, world


def namespace(name: str = "a") -> Any:
    return core_v1.Namespace(metadata=meta_v1.ObjectMeta(name=name))


def config(name: str, **fields: Any) -> Any:
    return core_v1.ConfigMap(metadata=meta(name, **fields))


def conditions(w: World) -> dict[str, str]:
    one = w.api.peek(core_v1.Namespace, "a")
    return {c.type: c.status for c in one.status.conditions or ()}


async def test_a_namespace_is_emptied_and_goes() -> None:
    async with world(NamespaceController) as w:
        await w.api.create(namespace())
        await w.api.create(namespace("b"))
        lease = coordination_v1.Lease(metadata=meta("l"))
        other = core_v1.ConfigMap(metadata=meta_v1.ObjectMeta(name="kept", namespace="b"))
        w.api.add(config("c"), config("d"), lease, other)
        await w.settle()
        w.writes()
        await w.api.delete(core_v1.Namespace, "a")
        await w.settle()
        assert [n.metadata.name for n in w.api.all(core_v1.Namespace)] == ["b"]
        assert [c.metadata.name for c in w.api.all(core_v1.ConfigMap)] == ["kept"]
        assert w.writes() == [
            "delete namespaces a",
            "deletecollection configmaps a/",
            "deletecollection leases a/",
            "update namespaces/finalize a",
        ]


async def test_a_kind_that_was_defined_a_moment_ago_is_emptied_too() -> None:
    async with world(NamespaceController) as w:
        w.api.not_served.add("leases")
        await w.api.create(namespace("b"))
        await w.api.delete(core_v1.Namespace, "b")
        await w.settle(1)
        await w.api.create(namespace())
        w.api.not_served.clear()
        w.api.add(coordination_v1.Lease(metadata=meta("l")))
        await w.api.delete(core_v1.Namespace, "a")
        await w.settle(1)
        assert w.api.all(coordination_v1.Lease) == []


async def test_pods_end_before_anything_else_is_taken() -> None:
    async with world(NamespaceController) as w:
        await w.api.create(namespace())
        running = pod("p")
        running.spec.nodeName = "n"
        w.api.add(running, config("c"))
        await w.api.delete(core_v1.Namespace, "a")
        await w.settle(1)
        assert len(w.api.all(core_v1.ConfigMap)) == 1
        assert conditions(w)["NamespaceContentRemaining"] == "True"
        w.end_pods()
        await w.settle(1)
        assert w.api.all(core_v1.Namespace) == []


async def test_finalizers_that_hold_content_are_told() -> None:
    async with world(NamespaceController) as w:
        await w.api.create(namespace())
        w.api.add(config("c", finalizers=["example.com/hold"]))
        await w.api.delete(core_v1.Namespace, "a")
        await w.settle(10)
        one = w.api.peek(core_v1.Namespace, "a")
        told = {c.type: c.message for c in one.status.conditions}
        assert told["NamespaceFinalizersRemaining"].endswith("example.com/hold in 1 resource instances")
        w.writes()
        await w.settle(60)
        assert w.writes() == []
        w.api.remove(core_v1.ConfigMap, "c", "a")
        await w.settle(61)
        assert w.api.all(core_v1.Namespace) == []


async def test_a_kind_that_fails_is_told_and_tried_again() -> None:
    async with world(NamespaceController) as w:
        await w.api.create(namespace())
        w.api.add(config("c"))
        w.api.fail("deletecollection", "configmaps", InternalError("disk"), times=2)
        await w.api.delete(core_v1.Namespace, "a")
        await w.settle()
        assert conditions(w)["NamespaceDeletionContentFailure"] == "True"
        await w.settle(10)
        assert w.api.all(core_v1.Namespace) == []


async def test_every_namespace_has_its_account_and_certificate(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("PEM")
    config = Config(root_ca=tmp_path / "ca.crt")
    async with world(ServiceAccountController, RootCaController, config=config) as w:
        await w.api.create(namespace())
        await w.settle()
        assert [s.metadata.name for s in w.api.all(core_v1.ServiceAccount, "a")] == ["default"]
        assert w.api.peek(core_v1.ConfigMap, "kube-root-ca.crt", "a").data == {"ca.crt": "PEM"}
        await w.api.delete(core_v1.ServiceAccount, "default", "a")
        w.api.change(core_v1.ConfigMap, "kube-root-ca.crt", "a", lambda c: setattr(c, "data", {}))
        await w.settle()
        assert len(w.api.all(core_v1.ServiceAccount, "a")) == 1
        assert w.api.peek(core_v1.ConfigMap, "kube-root-ca.crt", "a").data == {"ca.crt": "PEM"}
        w.writes()
        await w.settle(3600)
        assert w.writes() == []
        (tmp_path / "ca.crt").write_text("two authorities")
        await w.settle(11)
        assert w.api.peek(core_v1.ConfigMap, "kube-root-ca.crt", "a").data == {"ca.crt": "two authorities"}


async def test_a_namespace_being_deleted_gets_nothing_new() -> None:
    async with world(ServiceAccountController) as w:
        await w.api.create(namespace())
        await w.settle()
        await w.api.delete(core_v1.Namespace, "a")
        w.api.remove(core_v1.ServiceAccount, "default", "a")
        await w.settle(60)
        assert w.api.all(core_v1.ServiceAccount, "a") == []
