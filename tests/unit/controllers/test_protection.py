"""Storage in use stays: what counts as a use, and what only the server knows."""

from __future__ import annotations

from typing import Any

import pytest

from sampan.api.kinds import core_v1, meta_v1
from sampan.controllers.garbage.controller import GarbageCollector
from sampan.controllers.namespace import NamespaceController
from sampan.controllers.protection.claim import ClaimProtectionController
from sampan.controllers.protection.uses import uses_claim
from tests.unit.controllers.harness import World, meta, pod, world

FINALIZER = ClaimProtectionController.finalizer


def claim(name: str = "data", **fields: Any) -> Any:
    spec = core_v1.PersistentVolumeClaimSpec(accessModes=["ReadWriteOnce"])
    return core_v1.PersistentVolumeClaim(metadata=meta(name, finalizers=[FINALIZER], **fields), spec=spec)


def user(name: str = "user", node: str | None = "n1", **volume: Any) -> Any:
    made = pod(name, uid=f"uid-{name}")
    made.spec.nodeName = node
    source = core_v1.PersistentVolumeClaimVolumeSource(claimName="data")
    made.spec.volumes = [core_v1.Volume(name="v", **(volume or {"persistentVolumeClaim": source}))]
    return made


def ephemeral(name: str = "user") -> Any:
    return user(name, ephemeral=core_v1.EphemeralVolumeSource())


def owned_by(uid: str) -> Any:
    owner = meta_v1.OwnerReference(apiVersion="v1", kind="Pod", name="user", uid=uid, controller=True)
    return claim("user-v", ownerReferences=[owner])


def shut_down(one: Any) -> Any:
    one.metadata.deletionTimestamp = "2026-01-01T00:00:00Z"
    one.metadata.deletionGracePeriodSeconds = 0
    return one


@pytest.mark.parametrize(
    ("one", "of", "expected"),
    [
        (user(), claim(), True),
        (user(node=None), claim(), False),
        (user(), claim("another"), False),
        (shut_down(user()), claim(), True),
        (ephemeral(), owned_by("uid-user"), True),
        (ephemeral(), owned_by("uid-other"), False),
        (ephemeral(), claim("user-v"), False),
        (shut_down(ephemeral()), owned_by("uid-user"), False),
    ],
)
def test_uses(one: Any, of: Any, expected: bool) -> None:
    assert uses_claim(one, of) is expected


def claims(w: World) -> list[str]:
    return [one.metadata.name for one in w.api.all(core_v1.PersistentVolumeClaim)]


async def test_a_pod_that_only_the_server_knows_of_counts() -> None:
    async with world(ClaimProtectionController) as w:
        w.api.add(claim())
        await w.settle()
        w.api.hold_watches("pods")
        w.api.add(user())
        await w.api.delete(core_v1.PersistentVolumeClaim, "data", "a")
        await w.settle(5)
        assert claims(w) == ["data"]
        w.api.release_watches()
        w.api.remove(core_v1.Pod, "user", "a")
        await w.settle(5)
        assert claims(w) == []


async def test_a_namespace_with_claims_in_use_goes() -> None:
    async with world(NamespaceController, ClaimProtectionController, GarbageCollector) as w:
        await w.api.create(core_v1.Namespace(metadata=meta_v1.ObjectMeta(name="a")))
        w.api.add(claim(), user())
        await w.settle()
        await w.api.delete(core_v1.Namespace, "a")
        await w.settle(1)
        assert claims(w) == ["data"]
        w.end_pods()
        await w.settle(5)
        assert w.api.all(core_v1.Namespace) == []
