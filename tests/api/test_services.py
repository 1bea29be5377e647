"""Cluster addresses and node ports are given out once each."""

from __future__ import annotations

import ipaddress
from concurrent.futures import ThreadPoolExecutor
from typing import Any

MERGE = "application/merge-patch+json"
ADDRESSES = "/apis/networking.k8s.io/v1/ipaddresses"


def service(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], **spec}}


def path_of(namespace: str, name: str = "") -> str:
    return f"/api/v1/namespaces/{namespace}/services" + (f"/{name}" if name else "")


def test_the_kubernetes_service(api: Any) -> None:
    spec = api("GET", path_of("default", "kubernetes")).body["spec"]
    assert spec["clusterIP"] == "10.96.0.1"
    assert api("GET", ADDRESSES + "/10.96.0.1").body["spec"]["parentRef"]["name"] == "kubernetes"
    cidr = api("GET", "/apis/networking.k8s.io/v1/servicecidrs/kubernetes").body
    assert cidr["status"]["conditions"][0]["type"] == "Ready"


def test_addresses_come_from_the_upper_band_and_are_objects(api: Any, namespace: str) -> None:
    spec = api.make(path_of(namespace), service("s"))["spec"]
    assert ipaddress.ip_address(spec["clusterIP"]) in ipaddress.ip_network("10.96.0.0/16")
    assert spec["clusterIP"] > "10.96.0.10"
    assert (spec["clusterIPs"], spec["ipFamilies"]) == ([spec["clusterIP"]], ["IPv4"])
    parent = api("GET", f"{ADDRESSES}/{spec['clusterIP']}").body["spec"]["parentRef"]
    assert parent == {"resource": "services", "namespace": namespace, "name": "s"}


def test_an_address_asked_for_is_given_once(api: Any, namespace: str) -> None:
    api.make(path_of(namespace), service("a", clusterIP="10.96.0.77"))
    taken = api("POST", path_of(namespace), service("b", clusterIP="10.96.0.77"))
    assert (taken.status, taken.body["details"]["causes"][0]["field"]) == (422, "spec.clusterIPs")
    assert "provided IP is already allocated" in taken.body["message"]
    outside = api("POST", path_of(namespace), service("b", clusterIP="10.97.0.1"))
    assert outside.status == 422
    api("DELETE", path_of(namespace, "a"))
    assert api("GET", ADDRESSES + "/10.96.0.77").status == 404
    api.make(path_of(namespace), service("b", clusterIP="10.96.0.77"))


def test_dry_run_takes_nothing(api: Any, namespace: str) -> None:
    assert api("POST", path_of(namespace) + "?dryRun=All", service("a", clusterIP="10.96.0.78")).status == 201
    api.make(path_of(namespace), service("b", clusterIP="10.96.0.78"))


def test_node_ports(api: Any, namespace: str) -> None:
    made = api.make(path_of(namespace), service("a", type="NodePort"))["spec"]["ports"][0]["nodePort"]
    assert 30000 <= made <= 32767
    asked = service("b", type="NodePort", ports=[{"port": 80, "nodePort": made}])
    taken = api("POST", path_of(namespace), asked)
    assert taken.body["details"]["causes"][0] == {
        "reason": "FieldValueInvalid",
        "message": f"Invalid value: {made}: provided port is already allocated",
        "field": "spec.ports[0].nodePort",
    }
    back = api("PATCH", path_of(namespace, "a"), {"spec": {"type": "ClusterIP"}}, content_type=MERGE)
    assert "nodePort" not in back.body["spec"]["ports"][0]
    api.make(path_of(namespace), asked)


def test_headless_and_external_services_have_no_address(api: Any, namespace: str) -> None:
    headless = api.make(path_of(namespace), service("h", clusterIP="None", selector={"a": "b"}))["spec"]
    assert (headless["clusterIP"], headless["ipFamilies"]) == ("None", ["IPv4"])
    external = {"metadata": {"name": "e"}, "spec": {"type": "ExternalName", "externalName": "a.example"}}
    assert "clusterIP" not in api.make(path_of(namespace), external)["spec"]


def test_concurrent_creates_never_share(api: Any, namespace: str) -> None:
    def create(number: int) -> dict[str, Any]:
        body = service(f"s{number}", type="NodePort")
        return api.make(path_of(namespace), body)["spec"]  # type: ignore[no-any-return]

    with ThreadPoolExecutor(16) as pool:
        specs = list(pool.map(create, range(64)))
    assert len({spec["clusterIP"] for spec in specs}) == 64
    assert len({spec["ports"][0]["nodePort"] for spec in specs}) == 64


def test_concurrent_claims_of_one_address_have_one_winner(api: Any, namespace: str) -> None:
    def claim(number: int) -> int:
        return int(api("POST", path_of(namespace), service(f"c{number}", clusterIP="10.96.0.99")).status)

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(claim, range(8)))
    assert statuses == [201] + [422] * 7
