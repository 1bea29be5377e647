"""Records of addresses and ports follow the services, whatever happened to them; addresses come from every network."""

from __future__ import annotations

import ipaddress
import json
from typing import Any

import pytest

from sampan.apiserver.allocation import records
from sampan.apiserver.allocation.repair import Held, Missing, Record, Twice, not_recorded, twice, wrong
from sampan.store import keys
from sampan.store.interface import Delete, Put
from tests.unit.apiserver.admission.harness import Api, api

SERVICES = "/api/v1/namespaces/default/services"
CIDRS = "/apis/networking.k8s.io/v1/servicecidrs"


def held(owner: str, *keys: str) -> Held:
    return Held(owner, f"/registry/core/services/{owner}", 5, keys)


def test_what_is_right_is_left_alone() -> None:
    assert list(wrong([held("a/web", "k")], {"k": Record("k", 3, "a/web")})) == []


def test_each_kind_of_difference() -> None:
    web, db = held("a/web", "missing", "strange"), held("a/db", "twice")
    late = held("a/late", "twice")
    found = {"strange": Record("strange", 7, "b/other"), "free": Record("free", 8, "a/gone")}
    found["twice"] = Record("twice", 9, "a/db")
    differences = list(wrong([web, db, late], found))
    assert differences == [Twice("twice", late), Missing("missing", 0, web), Missing("strange", 7, web), found["free"]]


def service(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], **spec}}


async def addresses(server: Api) -> dict[str, str]:
    _, listed = await server("GET", "/apis/networking.k8s.io/v1/ipaddresses", None)
    return {one["metadata"]["name"]: one["spec"]["parentRef"]["name"] for one in listed["items"]}


async def test_lost_and_forgotten_records_are_repaired() -> None:
    async with api() as server:
        made = await server.make(SERVICES, service("web", type="NodePort"))
        address, port = made["spec"]["clusterIP"], made["spec"]["ports"][0]["nodePort"]
        stray = records.address_record("10.96.7.7", "default", "gone", now=0.0, rng=server.server.rng)
        lost = [Delete(records.address_key(address)), Delete(records.port_key(port))]
        port_of_nobody = Put(records.port_key(30999), records.port_record(30999, "x", "y"))
        left = [Put(records.address_key("10.96.7.7"), stray), port_of_nobody]
        await server.server.store.commit([], [*lost, *left])
        await server.server.cache.fresh()
        assert await addresses(server) == {"10.96.0.1": "kubernetes", "10.96.7.7": "gone"}

        await server.server.allocation_repair.once()
        await server.server.cache.fresh()
        assert await addresses(server) == {"10.96.0.1": "kubernetes", address: "web"}
        status, _ = await server("POST", SERVICES, service("thief", type="NodePort", clusterIP=address))
        assert status == 422
        again = service("late", type="NodePort")
        again["spec"]["ports"][0]["nodePort"] = 30999
        assert (await server("POST", SERVICES, again))[0] == 201
        assert server.server.allocation_repair.repaired == 4
        about = {
            "ClusterIPNotAllocated": f"Cluster IP [IPv4]: {address} is not allocated; repairing",
            "PortNotAllocated": f"Port {port} is not allocated; repairing",
            "IPAddressNotAllocated": "IPAddress: 10.96.7.7 for Service default/gone appears to have leaked: "
            "cleaning up",
        }
        assert await told(server) == about


async def told(server: Api) -> dict[str, str]:
    _, listed = await server("GET", "/api/v1/namespaces/default/events", None)
    return {one["reason"]: one["message"] for one in listed["items"]}


TOLD = [
    (not_recorded(Missing(records.address_key("10.0.0.1"), 7, held("a/web"))), "has a wrong reference; repairing"),
    (twice(Twice(records.address_key("10.0.0.1"), held("a/web"))), "assigned to multiple services"),
    (twice(Twice(records.port_key(30000), held("a/web"))), "Port 30000 was assigned to multiple services"),
]


@pytest.mark.parametrize(("event", "text"), TOLD)
def test_what_cannot_be_mended_is_told(event: Any, text: str) -> None:
    assert text in event.message
    assert (event.involvedObject.kind, event.involvedObject.name, event.metadata.namespace) == ("Service", "web", "a")


async def test_a_trouble_that_stays_is_told_once() -> None:
    async with api() as server:
        made = await server.make(SERVICES, service("web"))
        copied = {**made, "metadata": {**made["metadata"], "name": "zzz", "uid": "other"}}
        copied["metadata"].pop("resourceVersion")
        key = keys.key("", "services", "default", "zzz")
        await server.server.store.commit([], [Put(key, json.dumps(copied).encode())])
        for _ in range(2):
            await server.server.cache.fresh()
            await server.server.allocation_repair.once()
        await server.server.cache.fresh()
        (event,) = (await server("GET", "/api/v1/namespaces/default/events", None))[1]["items"]
        assert (event["reason"], event["involvedObject"]["name"]) == ("ClusterIPAlreadyAllocated", "zzz")
        assert event["source"] == {"component": "ipallocator-repair-controller"}


async def test_a_healthy_store_is_not_written_to() -> None:
    async with api() as server:
        await server.make(SERVICES, service("web", type="NodePort"))
        before = server.server.store.revision
        await server.server.allocation_repair.once()
        assert server.server.store.revision == before


async def network(server: Api, ready: str) -> None:
    cidr = await server.make(CIDRS, {"metadata": {"name": "more"}, "spec": {"cidrs": ["10.100.0.0/24"]}})
    since = {"lastTransitionTime": "2026-01-01T00:00:00Z"}
    cidr["status"] = {"conditions": [{"type": "Ready", "status": ready, "reason": "Test", "message": "", **since}]}
    assert (await server("PUT", f"{CIDRS}/more/status", cidr))[0] == 200


@pytest.mark.parametrize(("ready", "status"), [("True", 201), ("False", 422)])
async def test_addresses_come_from_every_network_that_is_ready(ready: str, status: int) -> None:
    async with api() as server:
        await network(server, ready)
        answered, body = await server("POST", SERVICES, service("there", clusterIP="10.100.0.9"))
        assert answered == status, json.dumps(body)


async def test_a_full_network_gives_way_to_the_next() -> None:
    async with api(service_networks=(ipaddress.ip_network("10.96.0.0/29"),)) as server:
        for number in range(5):
            await server.make(SERVICES, service(f"s{number}"))
        assert (await server("POST", SERVICES, service("full")))[0] == 500
        await network(server, "True")
        made = await server.make(SERVICES, service("roomy"))
        assert made["spec"]["clusterIP"].startswith("10.100.0.")
