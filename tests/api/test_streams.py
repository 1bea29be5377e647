"""exec, attach and port-forward as far as the API server answers for them: a kubelet's place is held by an echo."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from sampan.aio.clock import SystemClock
from sampan.cluster.authority import Authority, Identity
from sampan.cluster.certificates import KUBELET_SERVING
from tests.api.conftest import ADMIN, Api, insecure

TOKEN = "Authorization: Bearer"
SPDY = "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io, v3.channel.k8s.io\r\n"
WEBSOCKET = (
    "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: v4.channel.k8s.io\r\n"
)


class Kubelet:
    """Switches protocols and echoes; a path with `refuse` in it is refused."""

    def __init__(self, certificate: Path, key: Path, authority: Path) -> None:
        self.asked: list[str] = []
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority)
        self._tls.load_cert_chain(certificate, key)
        self._tls.verify_mode = ssl.CERT_REQUIRED
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(10)

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._listening.accept()
            except OSError:
                return
            with plain, suppress(OSError), self._tls.wrap_socket(plain, server_side=True) as connection:
                self._answer(connection)

    def _answer(self, connection: ssl.SSLSocket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(65536)
        self.asked.append(head.decode())
        if b"refuse" in head:
            connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nno such c")
            return
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nwelcome ")
        while data := connection.recv(65536):
            connection.sendall(data)


@pytest.fixture
def kubelet(api: Api) -> Iterator[Kubelet]:
    pki = api.data / "pki"
    identity = Identity(file="node-of-test", user="system:node:streams", hosts=("127.0.0.1",))
    certificate, key = Authority(pki, SystemClock(), KUBELET_SERVING).ensure(identity)
    serving = Kubelet(certificate, key, pki / "ca.crt")
    yield serving
    serving.close()


@pytest.fixture
def pod(api: Api, namespace: str, kubelet: Kubelet) -> str:
    """The path of a pod with two containers on the kubelet's node."""
    node = f"streams-{namespace}"
    api.make("/api/v1/nodes", {"metadata": {"name": node}})
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet.port}},
    }
    merge = "application/merge-patch+json"
    assert api("PATCH", f"/api/v1/nodes/{node}/status", {"status": status}, content_type=merge).status == 200
    containers = [{"name": "c", "image": "i"}, {"name": "refuse", "image": "i"}]
    path = f"/api/v1/namespaces/{namespace}/pods"
    api.make(path, {"metadata": {"name": "p"}, "spec": {"nodeName": node, "containers": containers}})
    return f"{path}/p"


def ask(api: Api, method: str, path: str, headers: str, token: str = ADMIN) -> tuple[ssl.SSLSocket, bytes]:
    """The connection, and what came up to the end of the answer's head."""
    plain = socket.create_connection(("127.0.0.1", api.port), timeout=20)
    connection = insecure().wrap_socket(plain)
    connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{TOKEN} {token}\r\n{headers}\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head:
        piece = connection.recv(65536)
        assert piece, head
        head += piece
    return connection, head


def received(connection: ssl.SSLSocket, begun: bytes, wanted: bytes) -> None:
    while len(begun) < len(wanted):
        piece = connection.recv(65536)
        assert piece
        begun += piece
    assert begun == wanted


def test_exec_becomes_a_tunnel_to_the_kubelet(api: Api, pod: str, kubelet: Kubelet) -> None:
    query = "command=sh&command=-c&command=echo+a%26b&container=c&stdin=true&stdout=true&stderr=false&tty=true"
    connection, answer = ask(api, "POST", f"{pod}/exec?{query}", SPDY)
    with connection:
        head, _, rest = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101")
        connection.sendall(b"x" * 100_000)
        received(connection, rest, b"welcome " + b"x" * 100_000)
    asked = kubelet.asked[-1]
    namespace = pod.split("/")[4]
    path = f"/exec/{namespace}/p/c?command=sh&command=-c&command=echo+a%26b&input=1&output=1&tty=1"
    assert asked.startswith(f"POST {path} HTTP/1.1\r\n")
    assert asked.count("x-stream-protocol-version: ") == 2
    assert "uthorization" not in asked, "who asks is not the kubelet's matter"


def test_websockets_and_the_other_streams(api: Api, pod: str, kubelet: Kubelet) -> None:
    for path in ("attach?container=c&stdout=1", "portforward?ports=80,443", "exec?container=c&stdout=1&command=ls"):
        connection, answer = ask(api, "GET", f"{pod}/{path}", WEBSOCKET)
        with connection:
            assert answer.startswith(b"HTTP/1.1 101")
        assert "sec-websocket-protocol: v4.channel.k8s.io\r\n" in kubelet.asked[-1]
    assert any("/portForward/" in asked and "?port=80&port=443 " in asked for asked in kubelet.asked)


def test_newer_websockets_are_translated(api: Api, pod: str, kubelet: Kubelet) -> None:
    """Kubelets do not know them: they are asked for SPDY."""
    kinds = {"exec?container=c&stdout=1": "v5.channel.k8s.io", "portforward?ports=80": "SPDY/3.1+portforward.k8s.io"}
    for path, protocol in kinds.items():
        headers = WEBSOCKET.replace("v4.channel.k8s.io", f"{protocol}, v4.channel.k8s.io")
        connection, answer = ask(api, "GET", f"{pod}/{path}", headers)
        with connection:
            assert answer.startswith(b"HTTP/1.1 101")
            assert f"Sec-WebSocket-Protocol: {protocol}\r\n".encode() in answer
        asked = kubelet.asked[-1]
        assert asked.startswith("POST /") and "upgrade: SPDY/3.1\r\n" in asked and "websocket" not in asked
    connection, answer = ask(api, "GET", f"{pod}/{path}", headers.replace("Version: 13", "Version: 8"))
    with connection:
        assert answer.startswith(b"HTTP/1.1 400")


def test_a_websocket_needs_the_right_to_create(api: Api, pod: str, namespace: str) -> None:
    """It is opened by GET, yet runs commands (KEP-4006)."""
    rules = [{"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["get"]}]
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    api.make(f"{rbac}/roles", {"metadata": {"name": "reads"}, "rules": rules})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reads"}
    subjects = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "nobody"}]
    api.make(f"{rbac}/rolebindings", {"metadata": {"name": "reads"}, "roleRef": reference, "subjects": subjects})
    connection, answer = ask(api, "GET", f"{pod}/exec?container=c&stdout=1&command=ls", WEBSOCKET, "nobody-token")
    with connection:
        assert answer.startswith(b"HTTP/1.1 403")


def test_what_cannot_be_is_refused_as_a_status(api: Any, pod: str, namespace: str) -> None:
    def refusal(path: str, **headers: str) -> tuple[int, str]:
        answer = api("POST", path, headers=headers)
        return answer.status, answer.body["message"]

    upgrade = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1"}
    assert refusal(f"{pod}/exec?container=c&command=ls") == (400, "Upgrade request required")
    assert refusal(f"{pod}/exec", **upgrade) == (
        400,
        "a container name must be specified for pod p, choose one of: [c refuse]",
    )
    assert refusal(f"{pod}/attach?container=x", **upgrade) == (400, "container x is not valid for pod p")
    assert refusal(f"{pod}/exec?container=refuse&stdout=1", **upgrade) == (404, "no such c")
    assert refusal(f"{pod}x/exec?container=c", **upgrade)[0] == 404
    spec = {"containers": [{"name": "c", "image": "i"}]}
    api.make(f"/api/v1/namespaces/{namespace}/pods", {"metadata": {"name": "waits"}, "spec": spec})
    waits = f"/api/v1/namespaces/{namespace}/pods/waits"
    assert refusal(f"{waits}/exec?stdout=1", **upgrade) == (400, "pod waits does not have a host assigned")


def test_a_kubelet_that_is_away_is_an_error(api: Any, pod: str, kubelet: Kubelet) -> None:
    kubelet.close()
    answer = api("POST", f"{pod}/exec?container=c&stdout=1", headers={"Connection": "Upgrade", "Upgrade": "SPDY/3.1"})
    assert answer.status == 500
    assert f"error dialing backend: 127.0.0.1:{kubelet.port}" in answer.body["message"]
