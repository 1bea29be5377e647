"""Administrators' access to devices, and the two permissions that parts of a claim's status need."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from sampan.apiserver.auth.claims import account
from sampan.apiserver.auth.user import User

from .harness import ADMIN, Api, api

CLAIMS = "/apis/resource.k8s.io/v1/namespaces/default/resourceclaims"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
DRIVER = account("default", "driver", "u", {"authentication.kubernetes.io/node-name": ("n1",)})
STRANGER = account("default", "driver", "u", {"authentication.kubernetes.io/node-name": ("n2",)})
SCHEDULER = User("system:kube-scheduler", groups=("system:authenticated",))
ADMIN_ACCESS = {"exactly": {"deviceClassName": "c", "adminAccess": True}}
MINE, OTHER = {"driver": "d.example.com", "device": "x"}, {"driver": "e.example.com", "device": "y"}
NODE = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}


@pytest.fixture
async def server() -> AsyncIterator[Api]:
    async with api() as made:
        yield made


def claim(name: str, request: dict[str, Any] | None = None) -> dict[str, Any]:
    wanted = request or {"exactly": {"deviceClassName": "c"}}
    return {"metadata": {"name": name}, "spec": {"devices": {"requests": [{"name": "r", **wanted}]}}}


def allocated(**more: Any) -> dict[str, Any]:
    results = [{"request": "r", "pool": "p", **device, **more} for device in (MINE, OTHER)]
    return {"status": {"allocation": {"devices": {"results": results}, "nodeSelector": {"nodeSelectorTerms": [NODE]}}}}


async def may(server: Api, who: str, *rules: tuple[str, str, str]) -> None:
    """Gives the user (or the service account `driver`) rules of (verbs, resource, name)."""
    given = [
        {"apiGroups": ["resource.k8s.io"], "resources": [resource], "verbs": verbs.split()}
        | ({"resourceNames": [name]} if name else {})
        for verbs, resource, name in rules
    ]
    await server.make(f"{RBAC}/clusterroles", {"metadata": {"name": who}, "rules": given})
    subject = {"kind": "ServiceAccount", "name": "driver", "namespace": "default"}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": who}
    await server.make(
        f"{RBAC}/clusterrolebindings", {"metadata": {"name": who}, "subjects": [subject], "roleRef": reference}
    )


async def change(server: Api, name: str, body: Any, user: User) -> tuple[int, str]:
    status, answer = await server("PATCH", f"{CLAIMS}/{name}/status", body, user=user)
    return status, answer.get("message", "")


@pytest.mark.parametrize("template", [False, True])
async def test_administrators_access_needs_a_label(server: Api, template: bool) -> None:
    path, body = CLAIMS, claim("c", ADMIN_ACCESS)
    if template:
        path, body = CLAIMS.replace("claims", "claimtemplates"), {**body, "spec": {"spec": body["spec"]}}
    status, answer = await server("POST", path, body)
    assert status == 422
    assert answer["details"]["causes"][0]["field"] == "spec.devices.requests[0].adminAccess"
    assert "requires the `resource.kubernetes.io/admin-access: true` label" in answer["message"]
    label = {"metadata": {"labels": {"resource.kubernetes.io/admin-access": "true"}}}
    assert (await server("PATCH", "/api/v1/namespaces/default", label))[0] == 200
    await server.make(path, body)


async def test_an_allocation_for_an_administrator_needs_it_too(server: Api) -> None:
    await server.make(CLAIMS, claim("c"))
    status, message = await change(server, "c", allocated(adminAccess=True), ADMIN)
    assert status == 422
    assert "status.allocation.devices.results[0].adminAccess: Forbidden: admin access to devices requires" in message


async def test_who_allocates_needs_to_bind(server: Api) -> None:
    await server.make(CLAIMS, claim("c"))
    await may(server, "status", ("get patch update", "resourceclaims/status", ""))
    status, message = await change(server, "c", allocated(), DRIVER)
    assert status == 422
    assert 'requires resource="resourceclaims/binding", verb="patch" permission' in message
    assert (await change(server, "c", allocated(), SCHEDULER))[0] == 200


async def test_drivers_tell_of_their_own_devices_on_their_own_nodes(server: Api) -> None:
    await server.make(CLAIMS, claim("c"))
    assert (await change(server, "c", allocated(), ADMIN))[0] == 200
    await may(
        server,
        "driver",
        ("get patch update", "resourceclaims/status", ""),
        ("associated-node:patch", "resourceclaims/driver", "d.example.com"),
    )
    told = {"status": {"devices": [{**MINE, "pool": "p", "data": {"a": 1}}]}}
    status, message = await change(server, "c", told, STRANGER)
    assert status == 422
    assert 'requires resource="resourceclaims/driver", verb="[arbitrary-node:patch]" permission' in message
    assert (await change(server, "c", told, DRIVER))[0] == 200
    other = {"status": {"devices": [*told["status"]["devices"], {**OTHER, "pool": "p"}]}}
    status, message = await change(server, "c", other, DRIVER)
    assert status == 422
    assert 'cannot associated-node:patch resource "resourceclaims/driver"' in message
    assert '"e.example.com"' in message
    assert '"d.example.com"' not in message
    assert (await change(server, "c", {"status": {"devices": None}}, STRANGER))[0] == 422
