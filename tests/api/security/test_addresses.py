"""Addresses that objects name: where a cluster sends its traffic is not for everybody to say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .conftest import MERGE

PLACE = "/api/v1/namespaces/default"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
OF_THE_NODE = ["127.0.0.1", "127.8.8.8", "169.254.169.254", "::1", "fe80::1", "224.0.0.1", "0.0.0.0"]
_number = iter(range(10**6))


def name() -> str:
    return f"a{next(_number)}"


def endpoints(address: str) -> tuple[str, dict[str, Any]]:
    subset = {"addresses": [{"ip": address}], "ports": [{"port": 80}]}
    return f"{PLACE}/endpoints", {"metadata": {"name": name()}, "subsets": [subset]}


def slice_of(address: str) -> tuple[str, dict[str, Any]]:
    family = "IPv6" if ":" in address else "IPv4"
    body = {"addressType": family, "endpoints": [{"addresses": [address]}], "ports": [{"port": 80}]}
    return SLICES, {"metadata": {"name": name()}, **body}


def service(**spec: Any) -> tuple[str, dict[str, Any]]:
    return f"{PLACE}/services", {"metadata": {"name": name()}, "spec": {"ports": [{"port": 80}], **spec}}


@pytest.mark.parametrize("make", [endpoints, slice_of])
@pytest.mark.parametrize(
    "address", ["127.0.0.1", "127.8.8.8", "169.254.169.254", "::1", "fe80::1", "224.0.0.1", "0.0.0.0"]
)
def test_cve_2021_25737_endpoints_on_a_nodes_own_network(
    api: Any, make: Callable[[str], tuple[str, dict[str, Any]]], address: str
) -> None:
    """A proxy would send others' traffic to services that listen on the node's loopback or link only."""
    answer = api("POST", *make(address))
    assert answer.status == 422
    assert "may not be in the" in answer.body["message"] or "may not be unspecified" in answer.body["message"]
    path, body = make("fd00::7" if ":" in address else "10.1.2.3")
    assert api("POST", path, body).status == 201
    moved = {**body}
    key = "subsets" if "subsets" in body else "endpoints"
    moved[key] = make(address)[1][key]
    assert api("PUT", f"{path}/{body['metadata']['name']}", moved).status == 422


def test_cve_2020_8554_external_addresses_can_be_denied(special_server: Callable[..., Any]) -> None:
    """Whoever may name external addresses of a service gets the traffic that others send there."""
    api = special_server("--enable-admission-plugins", "DenyServiceExternalIPs")
    path, body = service(externalIPs=["192.0.2.9"])
    answer = api("POST", path, body)
    assert (answer.status, answer.body["message"].partition(": ")[2]) == (
        403,
        "Use of external IPs is denied by admission control.",
    )
    path, body = service()
    made = api.make(path, body)
    change = {"spec": {"externalIPs": ["192.0.2.9"]}}
    assert api("PATCH", f"{path}/{made['metadata']['name']}", change, content_type=MERGE).status == 403
    change = {"metadata": {"labels": {"a": "b"}}}
    assert api("PATCH", f"{path}/{made['metadata']['name']}", change, content_type=MERGE).status == 200


def test_cve_2020_8554_a_load_balancers_address_is_set_by_who_may(api: Any) -> None:
    """The status is another right than the service: by its own path it stays as it is."""
    path, body = service(type="LoadBalancer")
    made = api.make(path, body)
    place = f"{path}/{made['metadata']['name']}"
    status = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.9"}]}}}
    assert api("PATCH", place, status, content_type=MERGE).body["status"]["loadBalancer"] == {}
    set_ = api("PATCH", f"{place}/status", status, content_type=MERGE)
    assert [one["ip"] for one in set_.body["status"]["loadBalancer"]["ingress"]] == ["192.0.2.9"]


WRITTEN = {
    "external": lambda text: service(externalIPs=[text]),
    "cluster": lambda text: service(clusterIP=text),
    "balancer": lambda text: service(type="LoadBalancer", loadBalancerSourceRanges=[f"{text}/32"]),
    "endpoints": endpoints,
    "slice": slice_of,
    "alias": lambda text: (
        f"{PLACE}/pods",
        {
            "metadata": {"name": name()},
            "spec": {
                "containers": [{"name": "c", "image": "i"}],
                "hostAliases": [{"ip": text, "hostnames": ["h.example"]}],
            },
        },
    ),
}


@pytest.mark.parametrize("where", WRITTEN)
def test_cve_2021_29923_leading_zeros_mean_nothing_twice(api: Any, where: str) -> None:
    """010.96.0.8 is 8.96.0.8 to some programs and 10.96.0.8 to others: what is checked must be what is used."""
    answer = api("POST", *WRITTEN[where]("010.96.1.8"))
    assert answer.status == 422, answer.body
    assert "must not have leading 0s" in answer.body["message"] or "must be a valid IP" in answer.body["message"]
    answer = api("POST", *WRITTEN[where]("10.96.1.8"))
    assert answer.status == 201, answer.body
