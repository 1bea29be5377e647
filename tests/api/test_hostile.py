"""Input meant to hurt: refused with upstream's code, and others are served meanwhile."""

from __future__ import annotations

import contextlib
import json
import socket
from pathlib import Path
from typing import Any

import pytest

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
YAML_BOMB = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [%b]\n" % (97 + n, 97 + n, b",".join([b"*%c" % (96 + n)] * 9)) for n in range(1, 9)
)


def maps(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps"


@pytest.mark.parametrize(
    "body, content_type",
    [
        (b"", "application/json"),
        (b"nonsense", "application/json"),
        (b"[" * 500_000, "application/json"),
        (b'{"data":' * 20_000, "application/json"),
        (b'{"metadata":{"name":"\xff\xfe"}}', "application/json"),
        (b'{"metadata":{"name":"a"},"data":{"k":' + b"9" * 10_000 + b"}}", "application/json"),
        (YAML_BOMB, "application/yaml"),
        (b"a: [" * 50_000, "application/yaml"),
        (b"\x00\x01\x02", "application/yaml"),
        (b"k8s\x00\xff\xff\xff\xff", "application/vnd.kubernetes.protobuf"),
    ],
)
def test_bodies(api: Any, namespace: str, body: bytes, content_type: str) -> None:
    answer = api("POST", maps(namespace), body, content_type=content_type)
    # Half a million brackets are more values than a body may have, before they are nested too deep.
    assert answer.status == (413 if body.startswith(b"[" * 500_000) else 400), answer.body
    assert api("GET", "/readyz", token=None).status == 200


def test_patches(api: Any, namespace: str) -> None:
    api.make(maps(namespace), {"metadata": {"name": "a"}, "data": {"k": "v"}})
    path = maps(namespace) + "/a"
    many = [{"op": "add", "path": "/data/k", "value": "x"}] * 10_001
    assert api("PATCH", path, many, content_type=JSON_PATCH).status == 413
    copies = [{"op": "copy", "from": "/data", "path": f"/data/k{n}"} for n in range(64)]
    assert api("PATCH", path, copies, content_type=JSON_PATCH).status in (413, 422)
    assert api("PATCH", path, b"{", content_type=MERGE).status == 400
    assert api("PATCH", path, [{"op": "test", "path": "/nope", "value": 1}], content_type=JSON_PATCH).status == 422
    assert api("PATCH", path, {"metadata": {"labels": "text"}}, content_type=MERGE).status == 422
    assert api("PATCH", path, {}, content_type="application/unknown").status == 415


@pytest.mark.parametrize("name", ["../secrets/x", "%2e%2e", "a%2f..%2fb", "%00", "x" * 3000])
def test_names(api: Any, namespace: str, name: str) -> None:
    assert api("GET", f"{maps(namespace)}/{name}").status in (404, 400)


def test_selectors(api: Any, namespace: str) -> None:
    long = ",".join(f"k{n} in (a,b,c)" for n in range(2000)).replace(" ", "%20")
    assert api("GET", f"{maps(namespace)}?labelSelector={long}").status in (200, 400)
    assert api("GET", f"{maps(namespace)}?labelSelector={'a,' * 40_000}").status in (400, 431)
    assert api("GET", f"{maps(namespace)}?fieldSelector={'%3D' * 1000}").status == 400


def raw(api: Any) -> socket.socket:
    import ssl

    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(socket.create_connection(("127.0.0.1", api.port), timeout=20))


def memory(api: Any) -> int:
    """The server's RSS in bytes, found by its port."""
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if process.name.isdigit() and f"--port\0{api.port}\0".encode() in (process / "cmdline").read_bytes():
                return int((process / "statm").read_text().split()[1]) * 4096
    raise AssertionError("the server is not running")


def test_half_a_request_disturbs_nobody(api: Any) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(50):
            client = stack.enter_context(contextlib.closing(raw(api)))
            client.sendall(b"GET /api/v1/pods HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        assert api("GET", "/readyz", token=None).status == 200


def test_a_client_that_does_not_read_its_watch_is_dropped(api: Any, namespace: str) -> None:
    """5,000 events of 2 kB are far more than a socket and the backlog take; the server must not keep them."""
    path = f"{maps(namespace)}?watch=true&resourceVersion=0"
    client = raw(api)
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admin-token\r\n\r\n".encode())
    assert client.recv(15) == b"HTTP/1.1 200 OK"
    api.make(maps(namespace), {"metadata": {"name": "a"}})
    before = memory(api)
    with contextlib.closing(raw(api)) as writer:
        answers = writer.makefile("rb")
        for number in range(5000):
            body = json.dumps({"data": {"k": f"{number}" + "x" * 2000}}).encode()
            head = (
                f"PATCH {maps(namespace)}/a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admin-token\r\n"
                f"Content-Type: {MERGE}\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            writer.sendall(head.encode() + body)
            length = 0
            while (line := answers.readline().strip()) != b"":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            answers.read(length)
    assert memory(api) - before < 64 * 1024 * 1024
    received = 0
    with contextlib.suppress(OSError):
        while piece := client.recv(1 << 20):
            received += len(piece)
    client.close()
    assert received < 5000 * 2000
