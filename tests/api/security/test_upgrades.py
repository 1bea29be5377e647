"""WebSockets through proxies: bytes both ways with what runs in a pod, under the rules of every proxied request."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import websocket
import wsproto
from wsproto.events import AcceptConnection, CloseConnection, Message, Request

from ..conftest import ADMIN, NOBODY
from ..test_outside import value
from .conftest import running_pod, serving
from .test_proxies import node


class Echo:
    """A WebSocket server that answers with what it is told; `asked` keeps how it was asked. It refuses `/refuse`."""

    def __init__(self, host: str, context: ssl.SSLContext | None = None) -> None:
        self._context = context
        self.asked: list[Request] = []
        self._listening = socket.create_server((host, 0))
        self.host, self.port = self._listening.getsockname()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(10)

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                with connection, suppress(ssl.SSLError):
                    if self._context is None:
                        self._talk(connection)
                    else:
                        with self._context.wrap_socket(connection, server_side=True) as secured:
                            self._talk(secured)

    def _talk(self, connection: socket.socket) -> None:
        spoken = wsproto.WSConnection(wsproto.ConnectionType.SERVER)
        while data := connection.recv(65536):
            spoken.receive_data(data)
            for event in spoken.events():
                if isinstance(event, Request):
                    self.asked.append(event)
                    if event.target == "/refuse":
                        connection.sendall(b"HTTP/1.1 418 No\r\nContent-Type: a/b\r\nContent-Length: 3\r\n\r\ntea")
                        return
                    connection.sendall(spoken.send(AcceptConnection(subprotocol=event.subprotocols[0])))
                elif isinstance(event, Message):
                    connection.sendall(spoken.send(Message(data=event.data, message_finished=event.message_finished)))
                elif isinstance(event, CloseConnection):
                    connection.sendall(spoken.send(event.response()))
                    return


@pytest.fixture
def echo() -> Iterator[Echo]:
    with serving(None) as backend:  # for the address that is not the loopback's
        made = Echo(backend.host)
    yield made
    made.close()


def opened(api: Any, path: str, token: str = ADMIN) -> websocket.WebSocket:
    url = f"wss://127.0.0.1:{api.port}{path}"
    headers = [f"Authorization: Bearer {token}", "X-Mine: 1"]
    return websocket.create_connection(
        url, header=headers, subprotocols=["chat"], sslopt={"cert_reqs": ssl.CERT_NONE}, timeout=20
    )


def talk(connection: websocket.WebSocket) -> None:
    """Short, long, and its end as the other side tells it."""
    for message in ("ä", "x" * 300_000):
        connection.send(message)
        assert connection.recv() == message
    connection.close()


def test_websockets_to_a_pod_and_to_a_service(api: Any, namespace: str, echo: Echo) -> None:
    place = f"/api/v1/namespaces/{namespace}"
    running_pod(api, namespace, "p", echo.host)
    api.make(f"{place}/services", {"metadata": {"name": "s"}, "spec": {"ports": [{"name": "ws", "port": 80}]}})
    own = {"ip": echo.host, "targetRef": {"kind": "Pod", "name": "p", "namespace": namespace}}
    subset = {"addresses": [own], "ports": [{"name": "ws", "port": echo.port}]}
    api.make(f"{place}/endpoints", {"metadata": {"name": "s"}, "subsets": [subset]})
    talk(opened(api, f"{place}/pods/p:{echo.port}/proxy/a/b?q=1"))
    talk(opened(api, f"{place}/services/s:ws/proxy/c"))
    assert [one.target for one in echo.asked] == ["/a/b?q=1", "/c"]
    for one in echo.asked:
        headers = dict(one.extra_headers)
        assert (headers[b"x-mine"], headers[b"x-forwarded-for"]) == (b"1", b"127.0.0.1")
        assert b"authorization" not in headers
        assert one.subprotocols == ["chat"]


def test_a_websocket_to_a_nodes_kubelet(api: Any, echo: Echo, kubelets: ssl.SSLContext) -> None:
    """Over TLS, with this server's certificate and the kubelet's checked; one of somebody else is not spoken to."""
    kubelet = Echo(echo.host, kubelets)
    try:
        node(api, "upgrading", kubelet.host, kubelet.port)
        talk(opened(api, "/api/v1/nodes/upgrading/proxy/exec/ns/p/c"))
        assert [one.target for one in kubelet.asked] == ["/exec/ns/p/c"]
    finally:
        kubelet.close()
    other = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    other.load_cert_chain(api.data / "pki" / "apiserver.crt", api.data / "pki" / "apiserver.key")
    stranger = Echo(echo.host, other)
    try:
        node(api, "strange", stranger.host, stranger.port)
        with pytest.raises(websocket.WebSocketBadStatusException) as refused:
            opened(api, "/api/v1/nodes/strange/proxy/exec/ns/p/c")
        assert (refused.value.status_code, stranger.asked) == (503, [])
    finally:
        stranger.close()


def test_they_are_counted_while_they_last(api: Any, namespace: str, echo: Echo) -> None:
    """As every request to a proxy, and as logs and commands are."""
    running_pod(api, namespace, "p", echo.host)
    path = f"/api/v1/namespaces/{namespace}/pods/p:{echo.port}/proxy/"
    labels = {"verb": "CONNECT", "resource": "pods", "subresource": "proxy", "scope": "resource"}
    before = value(api, "apiserver_request_total", code="101", **labels)
    connection = opened(api, path)
    assert value(api, "apiserver_longrunning_requests", **labels) == 1
    connection.close()
    deadline = time.monotonic() + 10
    while value(api, "apiserver_longrunning_requests", **labels):
        assert time.monotonic() < deadline
    assert value(api, "apiserver_request_total", code="101", **labels) == before + 1


def test_the_other_ends_refusal_is_the_answer(api: Any, namespace: str, echo: Echo) -> None:
    running_pod(api, namespace, "p", echo.host)
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        opened(api, f"/api/v1/namespaces/{namespace}/pods/p:{echo.port}/proxy/refuse")
    error = refused.value
    assert (error.status_code, error.resp_headers["content-type"], error.resp_body) == (418, "a/b", b"tea")


def test_who_does_not_upgrade_is_no_answer(api: Any, namespace: str) -> None:
    """Nor is nobody: an answer that would be read as if it were another protocol's."""
    with serving(None) as backend:
        running_pod(api, namespace, "p", backend.host)
        path = f"/api/v1/namespaces/{namespace}/pods/p:{backend.port}/proxy/x"
        with pytest.raises(websocket.WebSocketBadStatusException) as refused:
            opened(api, path)
        assert (refused.value.status_code, b"invalid upgrade response" in refused.value.resp_body) == (500, True)
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        opened(api, path)
    assert (refused.value.status_code, b"error trying to reach" in refused.value.resp_body) == (503, True)


def test_the_right_to_a_proxy_is_needed(api: Any, namespace: str, echo: Echo) -> None:
    running_pod(api, namespace, "p", echo.host)
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        opened(api, f"/api/v1/namespaces/{namespace}/pods/p:{echo.port}/proxy/", NOBODY)
    assert refused.value.status_code == 403
    assert not echo.asked


@pytest.mark.parametrize(
    ("type_", "address", "status"),
    [("InternalIP", "127.0.0.1", 400), ("InternalIP", "169.254.169.254", 400), ("Hostname", "localhost", 503)],
)
def test_cve_2020_8562_and_2022_3294_with_an_upgrade(api: Any, type_: str, address: str, status: int) -> None:
    """An upgrade leads nowhere a plain request does not lead; names are looked at as they are connected to."""
    name = f"upgraded-{address}"
    node(api, name, address, type_=type_)
    for port in (10250, api.port):
        with pytest.raises(websocket.WebSocketBadStatusException) as refused:
            opened(api, f"/api/v1/nodes/{name}:{port}/proxy/")
        assert (refused.value.status_code, b"address not allowed" in refused.value.resp_body) == (status, True)
