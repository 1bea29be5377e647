"""Plugins that fill in what a class says: of priorities, runtimes, ingresses, storage; and finalizers of storage."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.apiserver.admission.harness import Api, api, pod

PODS = "/api/v1/namespaces/default/pods"
PRIORITIES = "/apis/scheduling.k8s.io/v1/priorityclasses"
RUNTIMES = "/apis/node.k8s.io/v1/runtimeclasses"
INGRESS_CLASSES = "/apis/networking.k8s.io/v1/ingressclasses"
INGRESSES = "/apis/networking.k8s.io/v1/namespaces/default/ingresses"
STORAGE_CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
CLAIMS = "/api/v1/namespaces/default/persistentvolumeclaims"


def with_spec(name: str, **spec: Any) -> dict[str, Any]:
    body = pod(name)
    body["spec"] |= spec
    return body


def priority(spec: dict[str, Any]) -> tuple[str | None, int, str]:
    return spec.get("priorityClassName"), spec["priority"], spec["preemptionPolicy"]


async def test_a_priority_comes_from_a_class() -> None:
    async with api() as server:
        made = await server.make(PODS, pod("none"))
        assert priority(made["spec"]) == (None, 0, "PreemptLowerPriority")
        gentle = {"metadata": {"name": "gentle"}, "value": 7, "preemptionPolicy": "Never"}
        await server.make(PRIORITIES, gentle)
        made = await server.make(PODS, with_spec("own", priorityClassName="gentle"))
        assert priority(made["spec"]) == ("gentle", 7, "Never")
        await server.make(PRIORITIES, {"metadata": {"name": "usual"}, "value": 5, "globalDefault": True})
        made = await server.make(PODS, pod("usual"))
        assert priority(made["spec"]) == ("usual", 5, "PreemptLowerPriority")
        computed = "must not be provided in pod spec; priority admission controller computed"
        refused = await server.message(PODS, with_spec("p", priority=6))
        assert refused.endswith(f"the integer value of priority (6) {computed} 5 from the given PriorityClass name")
        refused = await server.message(
            PODS, with_spec("p", priorityClassName="gentle", preemptionPolicy="PreemptLowerPriority")
        )
        assert f"the string value of PreemptionPolicy (PreemptLowerPriority) {computed} Never" in refused
        refused = await server.message(PODS, with_spec("p", priorityClassName="nope"))
        assert refused == 'pods "p" is forbidden: no PriorityClass with name nope was found'


async def test_one_class_of_priorities_is_the_default() -> None:
    """A pod keeps the priority it was made with, whatever becomes the default after it."""
    async with api() as server:
        await server.make(PRIORITIES, {"metadata": {"name": "a"}, "value": 5, "globalDefault": True})
        await server.make(PRIORITIES, {"metadata": {"name": "b"}, "value": 9})
        why = "PriorityClass a is already marked as default. Only one default can exist"
        default = {"value": 9, "globalDefault": True}
        assert (await server.message(PRIORITIES, {"metadata": {"name": "c"}, **default})).endswith(why)
        assert (await server.message(PRIORITIES, {"metadata": {"name": "a"}, **default})).endswith(why)
        turned = {"globalDefault": True}
        assert (await server.message(f"{PRIORITIES}/b", turned, method="PATCH")).endswith(why)
        assert (await server("PATCH", f"{PRIORITIES}/a", {"metadata": {"labels": {"x": "y"}}}))[0] == 200
        await server.make(PODS, pod("early"))
        assert (await server("PATCH", f"{PRIORITIES}/a", {"globalDefault": False}))[0] == 200
        assert (await server("PATCH", f"{PRIORITIES}/b", turned))[0] == 200
        assert priority((await server.make(PODS, pod("late")))["spec"])[:2] == ("b", 9)
        _, early = await server("PATCH", f"{PODS}/early", {"metadata": {"labels": {"x": "y"}}})
        assert priority(early["spec"])[:2] == ("a", 5)


async def test_a_runtimes_overhead_is_the_pods() -> None:
    async with api() as server:
        overhead = {"cpu": "250m", "memory": "1Gi"}
        await server.make(RUNTIMES, {"metadata": {"name": "vm"}, "handler": "vm", "overhead": {"podFixed": overhead}})
        await server.make(RUNTIMES, {"metadata": {"name": "plain"}, "handler": "plain"})
        assert (await server.make(PODS, with_spec("a", runtimeClassName="vm")))["spec"]["overhead"] == overhead
        same = {"cpu": "0.25", "memory": "1024Mi"}
        assert (await server("POST", PODS, with_spec("b", runtimeClassName="vm", overhead=same)))[0] == 201
        refused = await server.message(PODS, with_spec("c", runtimeClassName="vm", overhead={"cpu": "1"}))
        assert refused.endswith("pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead")
        without = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
        assert (await server.message(PODS, with_spec("c", overhead=overhead))).endswith(without)
        refused = await server.message(PODS, with_spec("c", overhead=overhead, runtimeClassName="plain"))
        assert refused.endswith(without)
        refused = await server.message(PODS, with_spec("c", runtimeClassName="lost"))
        assert refused.endswith('pod rejected: RuntimeClass "lost" not found')


async def test_a_runtimes_nodes_are_the_pods() -> None:
    async with api() as server:
        one, two = ({"key": key, "operator": "Exists"} for key in ("one", "two"))
        scheduling = {"nodeSelector": {"vm": "yes"}, "tolerations": [one, two]}
        await server.make(RUNTIMES, {"metadata": {"name": "vm"}, "handler": "vm", "scheduling": scheduling})
        own = {"nodeSelector": {"zone": "a"}, "tolerations": [two]}
        spec = (await server.make(PODS, with_spec("a", runtimeClassName="vm", **own)))["spec"]
        assert spec["nodeSelector"] == {"zone": "a", "vm": "yes"}
        assert [t for t in spec["tolerations"] if t["key"] in ("one", "two")] == [two, one]
        refused = await server.message(PODS, with_spec("b", runtimeClassName="vm", nodeSelector={"vm": "no"}))
        assert refused.endswith(
            "conflict: runtimeClass.scheduling.nodeSelector[vm] = yes; pod.spec.nodeSelector[vm] = no"
        )


async def classes(server: Api, path: str, annotation: str, spec: dict[str, Any]) -> None:
    """Two defaults made at one time, `b` first, and an older one."""
    for name, value in (("old", "true"), ("b", "true"), ("a", "true"), ("c", "false")):
        await server.make(path, {"metadata": {"name": name, "annotations": {annotation: value}}, **spec})


def ingress(name: str, **more: Any) -> dict[str, Any]:
    annotations = more.pop("annotations", {})
    backend = {"service": {"name": "s", "port": {"number": 80}}}
    return {"metadata": {"name": name, "annotations": annotations}, "spec": {"defaultBackend": backend, **more}}


def claim(name: str, **more: Any) -> dict[str, Any]:
    annotations = more.pop("annotations", {})
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, **more}
    return {"metadata": {"name": name, "annotations": annotations}, "spec": spec}


KINDS = {
    "ingress": (
        (INGRESSES, ingress, "ingressClassName", "kubernetes.io/ingress.class"),
        (INGRESS_CLASSES, "ingressclass.kubernetes.io/is-default-class", {"spec": {"controller": "a.example/c"}}),
    ),
    "claim": (
        (CLAIMS, claim, "storageClassName", "volume.beta.kubernetes.io/storage-class"),
        (STORAGE_CLASSES, "storageclass.kubernetes.io/is-default-class", {"provisioner": "a.example/p"}),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_of_two_defaults_the_newer_one_counts_then_the_first_by_name(kind: str) -> None:
    (path, make, field, annotation), (class_path, marked, spec) = KINDS[kind]
    async with api() as server:
        assert field not in (await server.make(path, make("none")))["spec"]
        await classes(server, class_path, marked, spec)
        listed = (await server("GET", class_path))[1]["items"]
        defaults = [c for c in listed if c["metadata"]["annotations"][marked] == "true"]
        newest = max(c["metadata"]["creationTimestamp"] for c in defaults)
        expected = min(c["metadata"]["name"] for c in defaults if c["metadata"]["creationTimestamp"] == newest)
        assert (await server.make(path, make("given")))["spec"][field] == expected
        assert (await server.make(path, make("own", **{field: "c"})))["spec"][field] == "c"
        assert field not in (await server.make(path, make("old", annotations={annotation: "x"})))["spec"]


async def test_storage_in_use_is_kept_by_a_finalizer() -> None:
    volume = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}}
    driver = {"driverName": "a.example", "parameters": {"a": "b"}}
    async with api() as server:
        made = await server.make(CLAIMS, claim("c"))
        assert made["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
        made = await server.make("/api/v1/persistentvolumes", {"metadata": {"name": "v"}, "spec": volume})
        assert made["metadata"]["finalizers"] == ["kubernetes.io/pv-protection"]
        path = "/apis/storage.k8s.io/v1/volumeattributesclasses"
        made = await server.make(path, {"metadata": {"name": "a", "finalizers": ["a.example/own"]}, **driver})
        assert made["metadata"]["finalizers"] == ["a.example/own", "kubernetes.io/vac-protection"]
