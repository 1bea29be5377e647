"""Services of two families: addresses come and go with them, and what is recorded follows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from sampan.apiserver.allocation import networks
from tests.unit.apiserver.admission.harness import Api, api

SERVICES = "/api/v1/namespaces/default/services"
ADDRESSES = "/apis/networking.k8s.io/v1/ipaddresses"
CIDR = "/apis/networking.k8s.io/v1/servicecidrs/kubernetes"
BOTH = networks.parse("10.96.0.0/16,fd00:96::/112")


@pytest.fixture
async def server() -> AsyncIterator[Api]:
    async with api(service_networks=BOTH) as running:
        yield running


def service(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], "selector": {"a": "b"}, **spec}}


async def recorded(server: Api) -> set[str]:
    """The addresses that are taken, the `kubernetes` Service's aside."""
    _, found = await server("GET", ADDRESSES)
    return {item["metadata"]["name"] for item in found["items"]} - {"10.96.0.1"}


async def test_the_cluster_has_networks_of_both_families(server: Api) -> None:
    _, cidr = await server("GET", CIDR)
    assert cidr["spec"]["cidrs"] == ["10.96.0.0/16", "fd00:96::/112"]
    _, kubernetes = await server("GET", f"{SERVICES}/kubernetes")
    assert (kubernetes["spec"]["clusterIPs"], kubernetes["spec"]["ipFamilyPolicy"]) == (["10.96.0.1"], "SingleStack")


async def test_a_service_of_two_families_has_two_addresses_until_it_is_deleted(server: Api) -> None:
    made = (await server.make(SERVICES, service("s", ipFamilyPolicy="RequireDualStack")))["spec"]
    four, six = made["clusterIPs"]
    assert (made["clusterIP"], made["ipFamilies"]) == (four, ["IPv4", "IPv6"])
    assert four.startswith("10.96.") and six.startswith("fd00:96::")
    assert await recorded(server) == {four, six}
    _, record = await server("GET", f"{ADDRESSES}/{six}")
    assert record["metadata"]["labels"]["ipaddress.kubernetes.io/ip-family"] == "IPv6"
    assert record["spec"]["parentRef"]["name"] == "s"
    await server("DELETE", f"{SERVICES}/s")
    assert await recorded(server) == set()


async def test_addresses_asked_for_are_given_in_the_order_of_the_families(server: Api) -> None:
    asked = service("s", clusterIP="fd00:96::9", clusterIPs=["fd00:96::9"], ipFamilyPolicy="PreferDualStack")
    made = (await server.make(SERVICES, asked))["spec"]
    assert made["ipFamilies"] == ["IPv6", "IPv4"] and made["clusterIPs"][0] == "fd00:96::9"
    again = service("t", clusterIP="fd00:96::9", clusterIPs=["fd00:96::9"])
    status, body = await server("POST", SERVICES, again)
    assert status == 422 and "provided IP is already allocated" in body["message"]
    outside = service("t", clusterIP="fd00:97::9", clusterIPs=["fd00:97::9"])
    status, body = await server("POST", SERVICES, outside)
    assert status == 422 and "range of valid IPs is fd00:96::/112" in body["message"]


async def test_a_service_becomes_dual_and_single_again(server: Api) -> None:
    made = await server.make(SERVICES, service("s"))
    first = made["spec"]["clusterIP"]
    assert made["spec"]["ipFamilies"] == ["IPv4"]
    made["spec"]["ipFamilyPolicy"] = "RequireDualStack"
    status, dual = await server("PUT", f"{SERVICES}/s", made)
    assert status == 200 and dual["spec"]["clusterIPs"][0] == first and len(dual["spec"]["clusterIPs"]) == 2
    assert await recorded(server) == set(dual["spec"]["clusterIPs"])
    status, refused = await server("PUT", f"{SERVICES}/s", {**dual, "spec": {**dual["spec"], "ipFamilies": ["IPv4"]}})
    assert status == 422 and "must be 'SingleStack' to release the secondary IP family" in refused["message"]
    dual["spec"]["ipFamilyPolicy"] = "SingleStack"
    status, single = await server("PUT", f"{SERVICES}/s", dual)
    assert (status, single["spec"]["clusterIPs"], single["spec"]["ipFamilies"]) == (200, [first], ["IPv4"])
    assert await recorded(server) == {first}


async def test_a_type_without_address_gives_both_back(server: Api) -> None:
    made = await server.make(SERVICES, service("s", ipFamilyPolicy="RequireDualStack"))
    made["spec"] = {"type": "ExternalName", "externalName": "a.example"}
    assert (await server("PUT", f"{SERVICES}/s", made))[0] == 200
    assert await recorded(server) == set()
    made["spec"] = {"type": "ClusterIP", "ports": [{"port": 80}], "ipFamilyPolicy": "PreferDualStack"}
    del made["metadata"]["resourceVersion"]
    status, back = await server("PUT", f"{SERVICES}/s", made)
    assert (status, len(back["spec"]["clusterIPs"])) == (200, 2)
    assert await recorded(server) == set(back["spec"]["clusterIPs"])


async def test_neither_address_of_two_changes(server: Api) -> None:
    made = await server.make(SERVICES, service("s", ipFamilyPolicy="RequireDualStack"))
    for index, other in enumerate(("10.96.0.77", "fd00:96::77")):
        addresses = [*made["spec"]["clusterIPs"]]
        addresses[index] = other
        changed = {**made, "spec": {**made["spec"], "clusterIP": addresses[0], "clusterIPs": addresses}}
        status, body = await server("PUT", f"{SERVICES}/s", changed)
        assert status == 422 and f"spec.clusterIPs[{index}]" in body["message"], body["message"]
    assert await recorded(server) == set(made["spec"]["clusterIPs"])


async def test_headless_services_of_two_families_need_no_address(server: Api) -> None:
    made = (await server.make(SERVICES, service("s", clusterIP="None", ipFamilyPolicy="PreferDualStack")))["spec"]
    assert (made["clusterIPs"], made["ipFamilies"]) == (["None"], ["IPv4", "IPv6"])
    assert await recorded(server) == set()


async def test_a_second_network_is_added_to_the_cluster_s_own() -> None:
    """As when a server is started with a second network over a store that knows one."""
    async with api(service_networks=BOTH[:1]) as server:
        server.server.config = replace(server.server.config, service_networks=BOTH)
        await server.server.bootstrap.run(0)
        _, cidr = await server("GET", CIDR)
    assert cidr["spec"]["cidrs"] == ["10.96.0.0/16", "fd00:96::/112"]
    assert cidr["status"]["conditions"][0]["status"] == "True"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("10.96.0.0/16,fd00::/112,10.97.0.0/16", "more than two"),
        ("10.96.0.0/16,10.97.0.0/16", "different IP families"),
        ("10.96.0.0/16,fd00::/48", "the mask must be >= 64"),
        ("10.96.0.0/16,", "does not appear to be"),
    ],
)
def test_networks_that_cannot_be_are_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        networks.parse(text)
