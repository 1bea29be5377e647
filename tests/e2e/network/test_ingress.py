"""haproxy as it runs: requests from outside to pods, by host and path, over TLS, through changes."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sampan.aio.clock import SystemClock
from sampan.network.ingress.certificate import self_signed
from sampan.network.ingress.haproxy import Place, render
from sampan.network.ingress.process import Haproxy, Refused, user
from sampan.network.ingress.routing import Certificate, Host, Routing
from sampan.network.ingress.routing import Path as UrlPath
from sampan.network.ingress.runtime import Command, Steps, steps
from sampan.network.proxy.model import Endpoint

from .world import NODE, World, inside

ROUTES = (
    Host("", (UrlPath("/", False, "else"),)),
    Host("*.example.org", (UrlPath("/", False, "wild"),)),
    Host(
        "shop.example.org",
        (UrlPath("/", False, "root"), UrlPath("/cart", False, "cart"), UrlPath("/cart/pay", True, "pay")),
    ),
    Host("empty.example.org", (UrlPath("/", False, "none"), UrlPath("/known", True, "root"))),
    Host("paths.example.org", (UrlPath("/known", True, "root"),)),
)
# host, path -> who answers, or the status
REQUESTS = {
    ("shop.example.org", "/"): "root",
    ("SHOP.example.org:80", "/a?b=c"): "root",
    ("shop.example.org", "/cart"): "cart",
    ("shop.example.org", "/cart/"): "cart",
    ("shop.example.org", "/cart/x/y?z=/"): "cart",
    ("shop.example.org", "/cartoon"): "root",
    ("shop.example.org", "/cart/pay"): "pay",
    ("shop.example.org", "/cart/pay/"): "cart",
    ("other.example.org", "/"): "wild",
    ("a.b.example.org", "/"): "else",
    ("example.org", "/cart"): "else",
    ("", "/"): "else",
    ("empty.example.org", "/"): 503,
    ("paths.example.org", "/unknown"): 404,
}


class Setting:
    """A pod for each backend, and haproxy on the node."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.place = Place(folder=str(folder / "ingress"), addresses=("", "::"), user=user())
        self.server = Haproxy(self.place, SystemClock())
        self.endpoints = {name: self.pod(name) for name in ("else", "wild", "root", "cart", "pay")}
        self.default = self_signed("default.invalid", time.time())
        self.slowly = threading.Event()
        self.slow = 0

    def pod(self, name: str) -> Endpoint:
        namespace, address = self.world.pod(name)
        with inside(namespace):
            server = ThreadingHTTPServer((address, 8080), _answering(name, self))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return Endpoint(address, 8080)

    def use(self, routing: Routing) -> None:
        self.world.run(self.server.use(render(routing, self.place, self.default)))

    def change(self, old: Routing, new: Routing) -> bool:
        """As the controller does it, without new files being taken up."""
        told = steps(old, new, self.place)
        assert told is not None
        return self.world.run(self.server.change(render(new, self.place, self.default), told))

    def workers(self) -> list[int]:
        """haproxy's processes that serve, those that only finish requests included."""
        master = self.server.running()
        return [int(pid) for pid in Path(f"/proc/{master}/task/{master}/children").read_text().split()]

    def routing(self, **backends: tuple[Endpoint, ...]) -> Routing:
        known = {name: (endpoint,) for name, endpoint in self.endpoints.items()}
        return Routing(ROUTES, {**known, "none": (), **backends})

    def get(self, host: str, path: str, context: ssl.SSLContext | None = None, node: str = NODE) -> Any:
        """The answer as JSON, or the status when there is another than 200."""
        with inside(self.world.outside), contextlib.closing(self._connected(host, context, node)) as connection:
            connection.putrequest("GET", path, skip_host=True)
            if host:
                connection.putheader("Host", host)
            connection.endheaders()
            response = connection.getresponse()
            return json.loads(response.read()) if response.status == 200 else response.status

    def _connected(self, host: str, context: ssl.SSLContext | None, node: str) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(node, 443 if context else 80, timeout=5)
        connection.connect()
        if context is not None:
            connection.sock = context.wrap_socket(connection.sock, server_hostname=host)
        return connection


def trusting(pem: bytes) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=pem[: pem.index(b"-----BEGIN PRIVATE")].decode())


def _answering(name: str, setting: Setting) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/slow":
                setting.slow += 1
                setting.slowly.wait(10)
            body = json.dumps({"server": name, **{key.lower(): value for key, value in self.headers.items()}}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None: ...

    return Handler


@pytest.fixture
def setting(world: World, tmp_path: Path) -> Iterator[Setting]:
    if shutil.which("haproxy") is None:
        pytest.fail("no haproxy: run the tests with scripts/test, which installs it")
    setting = Setting(world, tmp_path)
    try:
        yield setting
    finally:
        world.run(setting.server.remove())


def test_hosts_and_paths(setting: Setting) -> None:
    setting.use(setting.routing())
    answers = {request: setting.get(*request) for request in REQUESTS}
    found = {request: answer if isinstance(answer, int) else answer["server"] for request, answer in answers.items()}
    assert found == REQUESTS
    headers = setting.get("shop.example.org", "/")
    assert (headers["x-forwarded-for"], headers["x-forwarded-proto"]) == ("198.51.100.2", "http")
    assert headers["host"] == headers["x-forwarded-host"] == "shop.example.org"


def test_tls_by_name(setting: Setting) -> None:
    shop, wild = self_signed("shop.example.org", time.time()), self_signed("*.example.org", time.time())
    certificates = (Certificate("d:shop", shop, ("shop.example.org",)), Certificate("d:wild", wild, ()))
    routing = setting.routing()
    setting.use(Routing(routing.hosts, routing.backends, certificates))
    for name, pem in (("shop.example.org", shop), ("other.example.org", wild)):
        assert setting.get(name, "/", trusting(pem))["x-forwarded-proto"] == "https"
    nobody = trusting(setting.default)
    nobody.check_hostname = False
    assert setting.get("example.net", "/", nobody)["server"] == "else"


def test_changes_drop_no_request(setting: Setting) -> None:
    setting.use(setting.routing())
    errors, answers, ended = [], [], threading.Event()

    def ask() -> None:
        while not ended.is_set():
            try:
                answers.append(setting.get("shop.example.org", "/")["server"])
            except (OSError, TypeError) as error:
                errors.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    master = setting.server.running()
    for name in ("cart", "pay", "cart", "wild"):
        setting.use(setting.routing(root=(setting.endpoints[name],)))
        count = len(answers)
        while name not in answers[count:]:
            assert thread.is_alive() and len(answers) < count + 5000
    ended.set()
    thread.join()
    assert errors == []
    assert setting.server.running() == master


def test_endpoints_come_and_go_without_another_process(setting: Setting) -> None:
    """Through the change a request in flight and a connection that is kept stay; so they do when it comes back."""
    first, second = setting.endpoints["root"], setting.endpoints["cart"]
    before, after = setting.routing(root=(first,)), setting.routing(root=(second,))
    setting.use(before)
    workers = setting.workers()
    with inside(setting.world.outside):
        kept = http.client.HTTPConnection(NODE, 80, timeout=5)
        kept.connect()

    def on_kept() -> str:
        kept.request("GET", "/", headers={"Host": "shop.example.org"})
        return str(json.loads(kept.getresponse().read())["server"])

    assert on_kept() == "root"
    with ThreadPoolExecutor() as pool, contextlib.closing(kept):
        answer = pool.submit(setting.get, "shop.example.org", "/slow")
        until_true(lambda: setting.slow == 1)
        assert setting.change(before, after)
        assert {on_kept(), setting.get("shop.example.org", "/")["server"]} == {"cart"}
        assert setting.change(after, before), "it is there still, for the request in flight"
        assert {on_kept(), setting.get("shop.example.org", "/")["server"]} == {"root"}
        assert setting.change(before, after)
        setting.slowly.set()
        assert answer.result()["server"] == "root"
    assert setting.change(after, setting.routing(root=(second,), pay=())), "what had stayed is deleted now"
    assert setting.get("shop.example.org", "/cart/pay") == 503
    assert setting.workers() == workers


def test_what_the_running_one_does_not_take_is_not_taken_for_done(setting: Setting) -> None:
    old = setting.routing()
    setting.use(old)
    assert not setting.world.run(setting.server.change({}, Steps((Command("add server nobody/1 192.0.2.1:1", ()),))))
    assert not setting.change(old, setting.routing(root=())), "what it has is not known any more"
    workers = setting.workers()
    setting.use(old)
    assert setting.workers() != workers and setting.get("shop.example.org", "/")["server"] == "root"


def test_a_renewed_certificate_is_shown_by_the_same_process(setting: Setting) -> None:
    pems = [self_signed("shop.example.org", time.time()) for _ in range(2)]
    routing = setting.routing()
    old, new = (
        Routing(routing.hosts, routing.backends, (Certificate("d:shop", pem, ("shop.example.org",)),)) for pem in pems
    )
    setting.use(old)
    workers = setting.workers()
    assert shown(setting, pems[0]) and setting.change(old, new)
    assert shown(setting, pems[1]) and not shown(setting, pems[0])
    assert setting.workers() == workers


def test_what_haproxy_refuses_changes_nothing(setting: Setting) -> None:
    setting.use(setting.routing())
    broken = Routing(ROUTES, {"root": (Endpoint("not an address", 1),)})
    with pytest.raises(Refused, match="server root"):
        setting.use(broken)
    assert setting.get("shop.example.org", "/")["server"] == "root"
    again = Haproxy(setting.place, SystemClock())
    assert again.running() == setting.server.running(), "the successor of a process that was killed finds it"
    setting.world.run(again.use(render(setting.routing(), setting.place, setting.default)))
    assert setting.get("shop.example.org", "/")["server"] == "root"


def test_another_certificate_leaves_requests_in_flight(setting: Setting) -> None:
    pems = [self_signed("shop.example.org", time.time()) for _ in range(2)]
    routing = setting.routing()

    def show(pem: bytes) -> None:
        setting.use(Routing(routing.hosts, routing.backends, (Certificate("d:shop", pem, ("shop.example.org",)),)))

    show(pems[0])
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(setting.get, "shop.example.org", "/slow", trusting(pems[0]))
        show(pems[1])
        until_true(lambda: shown(setting, pems[1]))
        assert not answer.done()
        setting.slowly.set()
        assert answer.result()["server"] == "root"
    assert not shown(setting, pems[0])


def shown(setting: Setting, pem: bytes) -> bool:
    with contextlib.suppress(ssl.SSLCertVerificationError):
        return bool(setting.get("shop.example.org", "/", trusting(pem)))
    return False


def until_true(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline


def test_both_address_families(setting: Setting) -> None:
    for namespace, address in ((setting.world.node, "fd00:9::1"), (setting.world.outside, "fd00:9::2")):
        words = ("ip", "-n", namespace, "addr", "add", f"{address}/64", "dev", "eth0", "nodad")
        subprocess.run(words, check=True)
    setting.use(setting.routing())
    assert setting.get("shop.example.org", "/", node="fd00:9::1")["x-forwarded-for"] == "fd00:9::2"
    assert setting.get("shop.example.org", "/")["x-forwarded-for"] == "198.51.100.2"


def test_killed_and_started_anew(setting: Setting) -> None:
    setting.use(setting.routing())
    first = setting.server.running()
    assert first
    os.kill(first, signal.SIGKILL)
    until_true(lambda: setting.server.running() is None)
    setting.use(setting.routing())
    assert setting.server.running() not in (None, first)
    until_true(lambda: setting.get("shop.example.org", "/")["server"] == "root")


def test_a_refused_certificate_is_named(setting: Setting) -> None:
    """As `IngressController` looks for it."""
    routing = setting.routing()
    broken = Certificate("d:broken", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", ())
    with pytest.raises(Refused, match=r"/d:broken\.pem'"):
        setting.use(Routing(routing.hosts, routing.backends, (broken,)))
