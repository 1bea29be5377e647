"""An Ingress as a user makes it: its address is told, pods answer HTTP and TLS, also through a rolling update."""

from __future__ import annotations

import base64
import http.client
import ssl
import threading
import time
from typing import Any

from sampan.network.ingress.certificate import self_signed

from .harness import Cluster, until
from .manifests import deployment, service

HOST = "shop.example.org"


def ingress(name: str) -> dict[str, Any]:
    backend = {"service": {"name": name, "port": {"name": "http"}}}
    rule = {"host": HOST, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name},
        "spec": {"rules": [rule], "tls": [{"hosts": [HOST], "secretName": name}]},
    }


def secret(name: str, pem: bytes) -> dict[str, Any]:
    cut = pem.index(b"-----BEGIN PRIVATE")
    data = {"tls.crt": base64.b64encode(pem[:cut]).decode(), "tls.key": base64.b64encode(pem[cut:]).decode()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "kubernetes.io/tls", "data": data}


class Client:
    """Asks the way a browser on another machine does."""

    def __init__(self, cluster: Cluster, address: str, pem: bytes) -> None:
        self._places = {"http": (address, cluster.http_port), "https": (address, cluster.https_port)}
        self._context = ssl.create_default_context(cadata=pem[: pem.index(b"-----BEGIN PRIVATE")].decode())

    def get(self, scheme: str, path: str = "/", host: str = HOST) -> str:
        """The body; OSError when the status is not 200."""
        connection = http.client.HTTPConnection(*self._places[scheme], timeout=5)
        try:
            connection.connect()
            if scheme == "https":
                connection.sock = self._context.wrap_socket(connection.sock, server_hostname=host)
            connection.request("GET", path, headers={"Host": host})
            response = connection.getresponse()
            if response.status != 200:
                raise OSError(f"status {response.status}")
            return response.read().decode()
        finally:
            connection.close()


def test_http_and_tls_through_a_rolling_update(cluster: Cluster, namespace: str) -> None:
    pem = self_signed(HOST, time.time())
    cluster.apply(deployment("web", replicas=2), service("web", type="ClusterIP"), secret("web", pem), ingress("web"))
    cluster.ready_pods("app=web", 2)
    status = until(
        lambda: cluster.get("ingress", "web")["status"].get("loadBalancer", {}).get("ingress"), "the address is told"
    )
    client = Client(cluster, status[0]["ip"], pem)
    for scheme in ("http", "https"):
        assert "web-" in until(lambda scheme=scheme: client.get(scheme), f"an answer over {scheme}")
    assert cluster.get("ingress", "web")["spec"]["ingressClassName"] == "sampan"

    errors: list[OSError] = []
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            try:
                client.get("https")
            except OSError as error:
                errors.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    cluster.kubectl("set", "image", "deployment/web", "web=sampan.dev/sample:2")
    cluster.kubectl("rollout", "status", "deployment/web", "--timeout=90s")
    ended.set()
    thread.join()
    assert errors == []
    cluster.kubectl("delete", "ingress", "web")
    until(lambda: refuses(client), "the host is gone")


def test_what_is_left_out_is_told_by_an_event(cluster: Cluster, namespace: str) -> None:
    manifest = ingress("odd")
    manifest["spec"] = {"defaultBackend": {"resource": {"apiGroup": "x.example", "kind": "Bucket", "name": "b"}}}
    cluster.apply(manifest)

    def told() -> list[str]:
        return [event["reason"] for event in cluster.get("events", "-n", namespace)["items"]]

    until(lambda: "UnsupportedBackend" in told(), "the event is there")


def refuses(client: Client) -> bool:
    try:
        client.get("http")
    except OSError as error:
        return "404" in str(error)
    return False
