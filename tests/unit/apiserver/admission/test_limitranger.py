"""LimitRanger: defaults, bounds and ratios, in upstream's words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.apiserver.admission.harness import Api, api, pod

PODS = "/api/v1/namespaces/default/pods"


async def limit(server: Api, *limits: dict[str, Any]) -> None:
    body = {"metadata": {"name": "l"}, "spec": {"limits": list(limits)}}
    await server.make("/api/v1/namespaces/default/limitranges", body)


async def test_defaults_are_filled_in_and_told() -> None:
    async with api() as server:
        await limit(server, {"type": "Container", "default": {"cpu": "1", "memory": "1Gi"}})
        made = await server.make(PODS, pod("p", resources={"limits": {"cpu": "2"}}))
    resources = made["spec"]["containers"][0]["resources"]
    assert resources["limits"] == {"cpu": "2", "memory": "1Gi"}
    assert made["metadata"]["annotations"]["kubernetes.io/limit-ranger"] == (
        "LimitRanger plugin set: memory request for container c; memory limit for container c"
    )


@pytest.mark.parametrize(
    "bounds, asked, words",
    [
        ({"max": {"cpu": "2"}}, {"limits": {"cpu": "3"}}, "maximum cpu usage per Container is 2, but limit is 3"),
        ({"min": {"cpu": "1"}}, {"requests": {"cpu": "5m"}}, "minimum cpu usage per Container is 1, but request is 5m"),
        (
            {"maxLimitRequestRatio": {"cpu": "2"}},
            {"requests": {"cpu": "1"}, "limits": {"cpu": "3"}},
            "cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000",
        ),
        (
            {"maxLimitRequestRatio": {"cpu": "2"}},
            {},
            "cpu max limit to request ratio per Container is 2, but no request is specified or request is 0",
        ),
    ],
)
async def test_containers_are_bounded(bounds: dict[str, Any], asked: dict[str, Any], words: str) -> None:
    async with api() as server:
        await limit(server, {"type": "Container", **bounds})
        assert await server.message(PODS, pod("p", resources=asked)) == f'pods "p" is forbidden: {words}'


async def test_pods_and_claims_are_bounded() -> None:
    claim = {
        "metadata": {"name": "c"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}},
    }
    async with api() as server:
        await limit(
            server,
            {"type": "Pod", "max": {"cpu": "1"}},
            {"type": "PersistentVolumeClaim", "max": {"storage": "1Gi"}},
        )
        refused = await server.message(PODS, pod("p", resources={"limits": {"cpu": "2"}}))
        assert "maximum cpu usage per Pod is 1, but limit is 2" in refused
        refused = await server.message("/api/v1/namespaces/default/persistentvolumeclaims", claim)
        assert refused.endswith("maximum storage usage per PersistentVolumeClaim is 1Gi, but request is 2Gi")
