"""ResourceQuota: what is used is what there is."""

from __future__ import annotations

from typing import Any

from sampan.api.kinds import core_v1, resource_v1
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


async def test_devices_are_counted_by_class() -> None:
    """An exact number, all there may be, and of alternatives the largest."""
    exactly = {"gpu": resource_v1.ExactDeviceRequest(deviceClassName="gpu", allocationMode="ExactCount", count=2)}
    exactly["all"] = resource_v1.ExactDeviceRequest(deviceClassName="nic", allocationMode="All")
    alternatives = [
        resource_v1.DeviceSubRequest(name=f"s{n}", deviceClassName="gpu", allocationMode="ExactCount", count=n)
        for n in (1, 3)
    ]
    requests = [resource_v1.DeviceRequest(name=name, exactly=one) for name, one in exactly.items()]
    requests.append(resource_v1.DeviceRequest(name="any", firstAvailable=alternatives))
    spec = resource_v1.ResourceClaimSpec(devices=resource_v1.DeviceClaim(requests=requests))
    async with world(ResourceQuotaController) as w:
        await w.api.create(quota({f"{name}.deviceclass.resource.k8s.io/devices": "99" for name in ("gpu", "nic")}))
        await w.api.create(resource_v1.ResourceClaim(metadata=meta("c"), spec=spec))
        await w.settle(1)
        assert list(used(w).values()) == ["5", "32"]
        w.api.remove(resource_v1.ResourceClaim, "c", "a")
        await w.settle(1)
        assert list(used(w).values()) == ["0", "0"]


def test_what_the_pod_names_and_what_it_has_been_given_count() -> None:
    made = asking("p", overhead={"cpu": "10m", "memory": "1Mi"})
    assert {name: str(amount) for name, amount in usage.requests(made, "limits").items()} == {"cpu": "1010m"}
    made.status = core_v1.PodStatus(
        containerStatuses=[core_v1.ContainerStatus(name="app", allocatedResources={"cpu": "300m", "memory": "32Mi"})]
    )
    assert str(usage.pod(made)["requests.cpu"]) == "310m"
    made.spec.resources = core_v1.ResourceRequirements(requests={"cpu": "2", "hugepages-2Mi": "4Mi"})
    assert (str(usage.pod(made)["cpu"]), str(usage.pod(made)["hugepages-2Mi"])) == ("2010m", "4Mi")


def test_claims_count_by_what_they_may_have_grown_to() -> None:
    spec = core_v1.PersistentVolumeClaimSpec(
        storageClassName="new", resources=core_v1.VolumeResourceRequirements(requests={"storage": "1Gi"})
    )
    made = core_v1.PersistentVolumeClaim(metadata=meta("c"), spec=spec)
    made.metadata.annotations = {"volume.beta.kubernetes.io/storage-class": "old"}
    made.status = core_v1.PersistentVolumeClaimStatus(allocatedResources={"storage": "3Gi"})
    assert str(usage.claim(made)["old.storageclass.storage.k8s.io/requests.storage"]) == "3Gi"
