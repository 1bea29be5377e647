"""Proxies lead where the cluster's objects say, to addresses that may be one, and follow nobody's word from there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ..conftest import ADMIN, NOBODY
from ..test_outside import value
from .conftest import Backend, running_pod, set_status

NODES = "/api/v1/nodes"
FORBIDDEN = [
    "127.0.0.1",
    "169.254.169.254",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "fe80::1",
    "::ffff:127.0.0.1",
]


def node(api: Any, name: str, address: str, port: int = 10250, *, type_: str = "InternalIP") -> None:
    """A node that says where it is."""
    api.make(NODES, {"metadata": {"name": name}})
    endpoint = {"kubeletEndpoint": {"Port": port}}
    set_status(
        api, f"{NODES}/{name}", {"addresses": [{"type": type_, "address": address}], "daemonEndpoints": endpoint}
    )


def test_the_honest_use(api: Any, namespace: str, backend: Backend) -> None:
    running_pod(api, namespace, "p", backend.host)
    path = f"/api/v1/namespaces/{namespace}/pods/p:{backend.port}/proxy"
    answer = api("POST", f"{path}/a/%C3%A9%20b/?q=1&q=2", {"x": 1}, headers={"X-Mine": "1", "Cookie": "a=b"})
    seen = answer.body
    assert (answer.status, seen["method"], seen["path"]) == (200, "POST", "/a/%C3%A9%20b/?q=1&q=2")
    assert json.loads(seen["body"]) == {"x": 1}
    assert (seen["headers"]["x-mine"], seen["headers"]["cookie"]) == ("1", "a=b")
    assert seen["headers"]["x-forwarded-for"] == "127.0.0.1"
    assert answer.headers["x-own"] == "kept"
    assert [api(method, f"{path}/").status for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE")] == [200] * 5
    running = {"resource": "pods", "subresource": "proxy", "verb": "CONNECT"}
    assert value(api, "apiserver_longrunning_requests", **running) == 0
    to_slash = api("GET", f"{path}?q=1")
    assert (to_slash.status, to_slash.headers["location"]) == (301, f"{path}/?q=1")


def test_a_node_on_another_port(api: Any, backend: Backend) -> None:
    node(api, "web", backend.host)
    assert api("GET", f"{NODES}/web:{backend.port}/proxy/metrics").body["path"] == "/metrics"
    node(api, "named", "localhost.invalid", type_="Hostname")
    answer = api("GET", f"{NODES}/named:{backend.port}/proxy/")
    assert (answer.status, answer.body["reason"]) == (503, "ServiceUnavailable")
    assert answer.body["message"].startswith("error trying to reach service: ")


def test_a_services_ready_pods_and_nobody_else(api: Any, namespace: str, backend: Backend) -> None:
    place = f"/api/v1/namespaces/{namespace}"
    running_pod(api, namespace, "p", backend.host)
    port = {"name": "http", "port": 80}
    api.make(f"{place}/services", {"metadata": {"name": "s"}, "spec": {"ports": [port]}})

    def endpoints(reference: dict[str, Any] | None, address: str = backend.host) -> None:
        entry = {"ip": address} | ({"targetRef": reference} if reference else {})
        subset = {"addresses": [entry], "ports": [{"name": "http", "port": backend.port}]}
        answer = api("PUT", f"{place}/endpoints/s", {"metadata": {"name": "s"}, "subsets": [subset]})
        assert answer.status in (200, 201), answer.body

    own = {"kind": "Pod", "name": "p", "namespace": namespace}
    endpoints(own)
    for name in ("s:http", "s:80", "http:s:http"):
        assert api("GET", f"{place}/services/{name}/proxy/x").body["path"] == "/x"
    assert "no service port 81 found" in api("GET", f"{place}/services/s:81/proxy/").body["message"]
    for reference in (None, own | {"namespace": "default"}, own | {"name": "q"}):
        endpoints(reference)
        answer = api("GET", f"{place}/services/s:http/proxy/")
        assert (answer.status, answer.body["message"]) == (503, 'no endpoints available for service "s"')
    endpoints(own, "192.0.2.200")
    assert api("GET", f"{place}/services/s:http/proxy/").status == 503


@pytest.mark.parametrize("address", FORBIDDEN)
def test_cve_2022_3294_node_addresses_are_looked_at(api: Any, address: str) -> None:
    """Whoever may write nodes could reach what only the API server's machine reaches; on the kubelet's port, too."""
    name = "evil-" + address.replace(":", "-").replace(".", "-").strip("-") + "x"
    node(api, name, address)
    for port in ("", ":10250", ":80"):
        answer = api("GET", f"{NODES}/{name}{port}/proxy/")
        assert (answer.status, answer.body["message"]) == (400, "address not allowed"), port


@pytest.mark.parametrize("address", FORBIDDEN[:2])
def test_pods_that_say_they_are_elsewhere(api: Any, namespace: str, address: str) -> None:
    running_pod(api, namespace, "p", address)
    answer = api("GET", f"/api/v1/namespaces/{namespace}/pods/p:80/proxy/")
    assert (answer.status, answer.body["message"]) == (400, "address not allowed")


@pytest.mark.parametrize("name", ["localhost", "0177.0.0.1", "127.1", "2130706433"])
def test_cve_2020_8562_what_a_name_resolves_to_is_what_is_looked_at(api: Any, name: str) -> None:
    """A name, or an old way to write an address, that leads to the loopback when it is connected to."""
    node(api, f"rebound-{name.replace('.', '-')}", name, type_="Hostname")
    for port in (api.port, 10250):
        answer = api("GET", f"{NODES}/rebound-{name.replace('.', '-')}:{port}/proxy/healthz")
        assert answer.status == 503
        why = "address not allowed" if name == "localhost" else "is not a canonical IPv4 address"
        assert why in answer.body["message"]


def test_cve_2020_8559_redirects_are_handed_back_not_followed(api: Any, namespace: str, backend: Backend) -> None:
    """A kubelet taken over could send the API server, and whoever asked with their credentials, to other nodes."""
    running_pod(api, namespace, "p", backend.host)
    path = f"/api/v1/namespaces/{namespace}/pods/p:{backend.port}/proxy"
    inside = api("GET", f"{path}/to?/login")
    assert (inside.status, inside.headers["location"]) == (302, f"{path}/login")
    outside = f"http://{backend.host}:1/secret"
    answer = api("GET", f"{path}/to?{outside}")
    assert (answer.status, answer.headers["location"]) == (302, outside)
    assert [one["path"] for one in backend.requests] == ["/to?/login", f"/to?{outside}"]


def test_cve_2020_8559_a_kubelets_redirect_leads_nowhere(api: Any, namespace: str, kubelet: Backend) -> None:
    """Neither for logs, which the API server fetches itself, nor through the node's proxy; what it answers comes."""
    node(api, "n1", kubelet.host, kubelet.port)
    running_pod(api, namespace, "p", "192.0.2.200")
    log = f"/api/v1/namespaces/{namespace}/pods/p/log"
    path = f"/containerLogs/{namespace}/p/c"
    answer = api("GET", log)
    assert (answer.status, answer.body.get("path")) == (200, path), answer.body
    kubelet.redirects[path] = f"https://{kubelet.host}:{kubelet.port}/containerLogs/others/secret/c"
    answer = api("GET", log)
    assert (answer.status, "location" in answer.headers) == (500, False)
    assert "answered with a redirect (HTTP 302), which is not followed" in answer.body["message"]
    kubelet.redirects["/stats"] = "https://192.0.2.201:10250/run/others"
    proxied = api("GET", f"{NODES}/n1/proxy/stats")
    assert (proxied.status, proxied.headers["location"]) == (302, "https://192.0.2.201:10250/run/others")
    assert api("GET", f"{NODES}/n1/proxy/pods").body["path"] == "/pods"
    assert [one["path"] for one in kubelet.requests] == [path, path, "/stats", "/pods"]


def test_what_identifies_the_caller_stays_here(api: Any, namespace: str, backend: Backend) -> None:
    running_pod(api, namespace, "p", backend.host)
    path = f"/api/v1/namespaces/{namespace}/pods/p:{backend.port}/proxy/"
    sent = {"Impersonate-User": "admin2", "Impersonate-Group": "system:masters", "X-Remote-User": "root"}
    answer = api("GET", path, headers=sent)
    assert answer.status == 200
    assert ADMIN not in json.dumps(answer.body)
    assert not {"authorization", "impersonate-user", "impersonate-group", "x-remote-user"} & set(answer.body["headers"])
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["set-cookie"] == "session=backends"
    assert "cookie" not in api("GET", path).body["headers"]


def test_a_proxy_needs_the_right_to_it(api: Any, namespace: str, backend: Backend) -> None:
    running_pod(api, namespace, "p", backend.host)
    path = f"/api/v1/namespaces/{namespace}/pods/p:{backend.port}/proxy/a/b"
    answer = api("GET", path, token=NOBODY)
    assert answer.status == 403
    assert f'cannot get resource "pods/proxy" in API group "" in the namespace "{namespace}"' in answer.body["message"]
    rules = [{"apiGroups": [""], "resources": ["pods/proxy"], "verbs": ["get"]}]
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    api.make(f"{rbac}/roles", {"metadata": {"name": "r"}, "rules": rules})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"}
    api.make(
        f"{rbac}/rolebindings",
        {"metadata": {"name": "r"}, "roleRef": reference, "subjects": [{"kind": "User", "name": "nobody"}]},
    )
    assert api("GET", path, token=NOBODY).status == 200
    assert api("POST", path, {}, token=NOBODY).status == 403


def test_connections_are_not_switched_unasked(api: Any, namespace: str, backend: Backend) -> None:
    """What follows a 101 would be read as another protocol's, by the client and by whatever stands between."""
    running_pod(api, namespace, "p", backend.host)
    path = f"/api/v1/namespaces/{namespace}/pods/p:{backend.port}/proxy"
    answer = api("GET", f"{path}/switch")
    assert (answer.status, answer.body["reason"]) == (503, "ServiceUnavailable")
    assert api("GET", f"{path}/x").status == 200


@pytest.mark.parametrize("name", ["ftp:p:80", "p:80:x:y", ":80", "p:99999", "p:-1"])
def test_identifiers_that_are_none(api: Any, namespace: str, name: str) -> None:
    running_pod(api, namespace, "p", "192.0.2.200")
    assert api("GET", f"/api/v1/namespaces/{namespace}/pods/{name}/proxy/").status == 400


def test_paths_stay_below_the_other_ends_root(api: Any, namespace: str, backend: Backend) -> None:
    running_pod(api, namespace, "p", backend.host)
    path = f"/api/v1/namespaces/{namespace}/pods/p:{backend.port}/proxy"
    for sent, seen in (
        ("/../../x", "/x"),
        ("/a/%2e%2e/b", "/b"),
        ("/a%2Fb", "/a/b"),
        ("/a%25b%0d%0ax", "/a%25b%0D%0Ax"),
    ):
        assert api("GET", path + sent).body["path"] == seen
