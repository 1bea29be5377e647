"""ResourceQuota: what is over is refused, and however many ask at once, no more gets in than there is room for."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from sampan.apiserver.http.exchange import Exchange
from tests.unit.apiserver.admission.harness import Api, api, pod

PLACE = "/api/v1/namespaces/default"
PODS = f"{PLACE}/pods"


async def quota(server: Api, hard: dict[str, str], used: dict[str, str] | None = None, **spec: Any) -> None:
    """A quota that its controller has counted."""
    await server.make(f"{PLACE}/resourcequotas", {"metadata": {"name": "q"}, "spec": {"hard": hard, **spec}})
    counted = dict.fromkeys(hard, "0") if used is None else used
    status, answer = await server(
        "PATCH", f"{PLACE}/resourcequotas/q/status", {"status": {"hard": hard, "used": counted}}
    )
    assert status == 200, answer


async def used(server: Api) -> dict[str, str]:
    return dict((await server("GET", f"{PLACE}/resourcequotas/q"))[1]["status"]["used"])


async def test_within_is_counted_and_over_is_refused() -> None:
    async with api() as server:
        await quota(server, {"pods": "2", "requests.cpu": "1"})
        await server.make(PODS, pod("a", resources={"requests": {"cpu": "600m"}}))
        assert await used(server) == {"pods": "1", "requests.cpu": "600m"}
        refused = await server.message(PODS, pod("b", resources={"requests": {"cpu": "500m"}}))
        assert refused == (
            'pods "b" is forbidden: exceeded quota: q, requested: requests.cpu=500m, used: requests.cpu=600m, '
            "limited: requests.cpu=1"
        )
        assert await used(server) == {"pods": "1", "requests.cpu": "600m"}


async def test_a_container_must_say_what_the_quota_limits() -> None:
    async with api() as server:
        await quota(server, {"limits.memory": "1Gi"})
        refused = await server.message(PODS, pod("a"))
        assert refused == 'pods "a" is forbidden: failed quota: q: must specify limits.memory for: c'


async def test_a_pod_may_say_it_for_all_its_containers() -> None:
    async with api() as server:
        await quota(server, {"requests.cpu": "1"})
        body = pod("p")
        body["spec"]["resources"] = {"requests": {"cpu": "600m"}}
        await server.make(PODS, body)
        assert await used(server) == {"requests.cpu": "600m"}
        body["metadata"]["name"] = "q"
        assert "exceeded quota: q, requested: requests.cpu=600m" in await server.message(PODS, body)


async def test_devices_are_limited_by_their_class() -> None:
    claims, name = (
        "/apis/resource.k8s.io/v1/namespaces/default/resourceclaims",
        "gpu.deviceclass.resource.k8s.io/devices",
    )

    def claim(count: int) -> dict[str, Any]:
        request = {"name": "r", "exactly": {"deviceClassName": "gpu", "count": count}}
        return {"metadata": {"name": f"c{count}"}, "spec": {"devices": {"requests": [request]}}}

    async with api() as server:
        await quota(server, {name: "4"})
        await server.make(claims, claim(3))
        assert await used(server) == {name: "3"}
        refused = await server.message(claims, claim(2))
        assert f"exceeded quota: q, requested: {name}=2, used: {name}=3, limited: {name}=4" in refused


async def test_a_quota_not_yet_counted_limits_nothing_and_one_half_counted_everything() -> None:
    async with api() as server:
        await server.make(f"{PLACE}/resourcequotas", {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "0"}}})
        await server.make(PODS, pod("a"))
        status = {"status": {"hard": {"pods": "9"}}}
        await server("PATCH", f"{PLACE}/resourcequotas/q/status", status)
        refused = await server.message(PODS, pod("b"))
        assert refused == 'pods "b" is forbidden: status unknown for quota: q, resources: pods'


async def test_objects_are_counted() -> None:
    async with api() as server:
        await quota(server, {"configmaps": "1", "count/deployments.apps": "0"})
        await server.make(f"{PLACE}/configmaps", {"metadata": {"name": "a"}})
        refused = await server.message(f"{PLACE}/configmaps", {"metadata": {"name": "b"}})
        assert refused.endswith("exceeded quota: q, requested: configmaps=1, used: configmaps=1, limited: configmaps=1")
        labels = {"app": "a"}
        template = {"metadata": {"labels": labels}, "spec": pod("x")["spec"]}
        spec = {"selector": {"matchLabels": labels}, "template": template}
        path = "/apis/apps/v1/namespaces/default/deployments"
        refused = await server.message(path, {"metadata": {"name": "d"}, "spec": spec})
        count = "count/deployments.apps"
        assert refused.endswith(f"exceeded quota: q, requested: {count}=1, used: {count}=0, limited: {count}=0")


async def test_a_scoped_quota_counts_its_own_pods_only() -> None:
    async with api() as server:
        await quota(server, {"pods": "0"}, scopes=["BestEffort"])
        await server.make(PODS, pod("a", resources={"requests": {"cpu": "1"}}))
        assert "exceeded quota" in await server.message(PODS, pod("b"))


async def test_scopes_may_be_selected_by_their_values() -> None:
    """Together they narrow: here, pods of one priority class that look into other namespaces."""
    expressions = [
        {"scopeName": "PriorityClass", "operator": "In", "values": ["high"]},
        {"scopeName": "CrossNamespacePodAffinity", "operator": "Exists"},
    ]
    term = {"topologyKey": "zone", "namespaces": ["other"], "labelSelector": {}}
    nosy = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    async with api() as server:
        classes = "/apis/scheduling.k8s.io/v1/priorityclasses"
        await server.make(classes, {"metadata": {"name": "high"}, "value": 9})
        await quota(server, {"pods": "0"}, scopeSelector={"matchExpressions": expressions})
        both, one, other = pod("a"), pod("b"), pod("c")
        both["spec"] |= {"priorityClassName": "high", "affinity": nosy}
        one["spec"] |= {"priorityClassName": "high"}
        other["spec"] |= {"affinity": nosy}
        assert "exceeded quota: q, requested: pods=1" in await server.message(PODS, both)
        await server.make(PODS, one)
        await server.make(PODS, other)


async def test_a_dry_run_is_checked_and_not_counted() -> None:
    async with api() as server:
        await quota(server, {"pods": "1"})
        assert (await server("POST", f"{PODS}?dryRun=All", pod("a")))[0] == 201
        assert await used(server) == {"pods": "0"}


async def test_an_object_refused_for_another_reason_does_not_block_the_namespace() -> None:
    async with api() as server:
        await quota(server, {"pods": "5"})
        await server.make(PODS, pod("a"))
        assert (await server("POST", PODS, pod("a")))[0] == 409
        await server.make(PODS, pod("b"))
        assert await used(server) == {"pods": "2"}


async def test_concurrent_creates_never_overrun() -> None:
    async with api() as server:
        await quota(server, {"pods": "10"})

        async def create(number: int) -> int:
            body = json.dumps(pod(f"p{number}")).encode()
            headers = {b"content-type": b"application/json"}
            answer = server.server.handle(Exchange(method="POST", target=PODS, headers=headers, body=body))
            return (answer if not hasattr(answer, "__await__") else await answer).status

        statuses = await asyncio.gather(*(create(number) for number in range(40)))
        assert sorted(statuses) == [201] * 10 + [403] * 30
        assert await used(server) == {"pods": "10"}
