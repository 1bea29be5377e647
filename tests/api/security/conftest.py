"""What the tests of known attacks need: a web server on an address of this machine that is not its loopback."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sampan.aio.clock import SystemClock
from sampan.cluster.authority import Authority, Identity
from sampan.cluster.options import machine_address

KUBELET = {"Impersonate-User": "system:node:n1", "Impersonate-Group": "system:nodes"}
"""The administrator speaking as a node's kubelet."""
MERGE = "application/merge-patch+json"


@dataclass
class Backend:
    """Answers with what it was asked; `requests` keeps it. `/to?x` redirects to x, paths in `redirects` elsewhere."""

    host: str
    port: int
    requests: list[dict[str, Any]] = field(default_factory=list)
    redirects: dict[str, str] = field(default_factory=dict)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    backend: Backend

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        seen = {"method": self.command, "path": self.path, "headers": headers, "body": body}
        self.backend.requests.append(seen)
        redirect = self.path.removeprefix("/to?") if self.path.startswith("/to?") else ""
        redirect = redirect or self.backend.redirects.get(self.path, "")
        self.send_response(101 if self.path == "/switch" else 302 if redirect else 200)
        if redirect:
            self.send_header("Location", redirect)
        text = json.dumps(seen).encode()
        for name, value in (
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(text))),
            ("Set-Cookie", "session=backends"),
            ("Access-Control-Allow-Origin", "*"),
            ("X-Own", "kept"),
        ):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = answer

    def log_message(self, format: str, *args: Any) -> None:
        """Tests print nothing."""


@pytest.fixture
def backend() -> Iterator[Backend]:
    """Without TLS, as pods may be."""
    with serving(None) as made:
        yield made


@pytest.fixture
def kubelet(kubelets: ssl.SSLContext) -> Iterator[Backend]:
    with serving(kubelets) as made:
        yield made


@pytest.fixture
def kubelets(api: Any) -> ssl.SSLContext:
    """With a certificate that the API server takes for a kubelet's, asking for one of its."""
    pki = Path(api.data) / "pki"
    serving_authority = Authority(pki, SystemClock(), "kubelet-ca")
    files = serving_authority.ensure(Identity(file="t-kubelet", user="system:node:n1", hosts=(machine_address(),)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    context.load_verify_locations(pki / "ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


@contextmanager
def serving(context: ssl.SSLContext | None) -> Iterator[Backend]:
    """A backend on this machine's address."""
    host = machine_address()
    if host.startswith("127."):
        pytest.skip("this machine has no address but its loopback's, to which nothing is proxied")
    handler = type("Handler", (_Handler,), {})
    with ThreadingHTTPServer((host, 0), handler) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        made = handler.backend = Backend(host, server.server_address[1])  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield made
        server.shutdown()
        thread.join()


def set_status(api: Any, path: str, status: dict[str, Any]) -> None:
    """Have somebody report."""
    answer = api("PATCH", f"{path}/status", {"status": status}, content_type=MERGE)
    assert answer.status == 200, answer.body


def running_pod(api: Any, namespace: str, name: str, address: str) -> None:
    """A pod that says it runs at an address, without a kubelet."""
    spec = {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]}
    api.make(f"/api/v1/namespaces/{namespace}/pods", {"metadata": {"name": name}, "spec": spec})
    status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}
    set_status(api, f"/api/v1/namespaces/{namespace}/pods/{name}", status)
