"""ResourceQuota: what is used is what there is."""

from __future__ import annotations

from typing import Any

from sampan.api.kinds import core_v1
from sampan.api.quota import usage
from sampan.controllers.quota.controller import ResourceQuotaController
from tests.unit.controllers.harness import World, meta, pod, world


def quota(hard: dict[str, str], **spec: Any) -> Any:
    return core_v1.ResourceQuota(metadata=meta("q"), spec=core_v1.ResourceQuotaSpec(hard=hard, **spec))


def asking(name: str, cpu: str | None = "100m", memory: str = "64Mi", **spec: Any) -> Any:
    made = pod(name)
    requests = {"cpu": cpu, "memory": memory} if cpu else None
    resources = core_v1.ResourceRequirements(requests=requests, limits={"cpu": "1"} if cpu else None)
    made.spec = core_v1.PodSpec(containers=[core_v1.Container(name="app", resources=resources)], **spec)
    return made


def used(w: World) -> dict[str, str]:
    return dict(w.api.peek(core_v1.ResourceQuota, "q", "a").status.used)


async def test_pods_and_what_they_ask_for_are_counted() -> None:
    async with world(ResourceQuotaController) as w:
        w.api.add(asking("one"), asking("two"))
        hard = {"pods": "10", "requests.cpu": "2", "memory": "1Gi", "limits.cpu": "4", "count/pods": "5"}
        await w.api.create(quota(hard))
        await w.settle(1)
        expected = {"pods": "2", "requests.cpu": "200m", "memory": "128Mi", "limits.cpu": "2", "count/pods": "2"}
        assert used(w) == expected
        ended = core_v1.PodStatus(phase="Succeeded")
        w.api.change(core_v1.Pod, "one", "a", lambda p: setattr(p, "status", ended))
        await w.settle(1)
        assert (used(w)["pods"], used(w)["count/pods"]) == ("1", "2")
        w.api.remove(core_v1.Pod, "one", "a")
        await w.settle(1)
        assert used(w)["count/pods"] == "1"
        w.writes()
        await w.settle(3600)
        assert w.writes() == []


async def test_services_claims_and_plain_counts() -> None:
    async with world(ResourceQuotaController) as w:
        ports = [core_v1.ServicePort(port=80), core_v1.ServicePort(port=81)]
        w.api.add(
            core_v1.Service(metadata=meta("s"), spec=core_v1.ServiceSpec(type="NodePort", ports=ports)),
            core_v1.PersistentVolumeClaim(
                metadata=meta("c"),
                spec=core_v1.PersistentVolumeClaimSpec(
                    storageClassName="fast",
                    resources=core_v1.VolumeResourceRequirements(requests={"storage": "5Gi"}),
                ),
            ),
            core_v1.ConfigMap(metadata=meta("m")),
        )
        fast = "fast.storageclass.storage.k8s.io/requests.storage"
        names = ("services", "services.nodeports", "requests.storage", fast, "configmaps", "count/deployments.apps")
        await w.api.create(quota(dict.fromkeys(names, "10")))
        await w.settle(1)
        assert used(w) == dict(zip(names, ("1", "2", "5Gi", "5Gi", "1", "0"), strict=True))
        await w.api.create(core_v1.ConfigMap(metadata=meta("n")))
        await w.settle(1)
        assert used(w)["configmaps"] == "2"


async def test_scopes_choose_the_pods() -> None:
    async with world(ResourceQuotaController) as w:
        w.api.add(asking("sized"), asking("plain", cpu=None), asking("brief", activeDeadlineSeconds=5))
        await w.api.create(quota({"pods": "10"}, scopes=["NotBestEffort", "NotTerminating"]))
        await w.settle(1)
        assert used(w) == {"pods": "1"}


def test_init_containers_count_by_the_greatest() -> None:
    def container(name: str, cpu: str, **fields: Any) -> Any:
        resources = core_v1.ResourceRequirements(requests={"cpu": cpu})
        return core_v1.Container(name=name, resources=resources, **fields)

    made = pod("p")
    made.spec = core_v1.PodSpec(
        containers=[container("a", "100m"), container("b", "200m")],
        initContainers=[container("side", "50m", restartPolicy="Always"), container("big", "1")],
        overhead={"cpu": "10m"},
    )
    assert str(usage.requests(made, "requests")["cpu"]) == "1060m"
