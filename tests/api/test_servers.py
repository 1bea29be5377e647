"""Three API servers over one etcd: what clients see while servers come and go."""

from __future__ import annotations

import http.client
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from sampan.testing import etcd

from .conftest import ADMIN, insecure

MAPS = "/api/v1/namespaces/default/configmaps"
ENDPOINTS = "/api/v1/namespaces/default/endpoints/kubernetes"
SLICE = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes"
CLIENTS = 4
TLS = insecure()


@pytest.fixture(scope="module")
def servers(server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Any]]:
    """Three processes, started at one moment on an empty store; each advertises an address of its own."""
    if not etcd.available():
        pytest.skip("no etcd on this machine: install the package etcd-server")
    processes = []
    with etcd.cluster() as cluster:
        for number in range(3):
            folder: Path = tmp_path_factory.mktemp("server")
            store = ("--store", f"etcd={cluster.endpoints[0]}", "--shutdown-delay-duration", "200ms")
            processes.append(type(server)(folder, *store, "--advertise-address", f"198.51.100.{number + 1}"))
        try:
            with ThreadPoolExecutor() as pool:
                list(pool.map(lambda process: process.start(), processes))
            yield processes
        finally:
            for process in processes:
                process.stop()


@pytest.fixture
def client(servers: list[Any]) -> Iterator[Callable[[int], Client]]:
    """A client of the server of that number."""
    made: list[Client] = []

    def make(number: int) -> Client:
        made.append(Client([servers[number].port], 0))
        return made[-1]

    yield make
    for each in made:
        each.leave()


class Client:
    """Keeps a connection to one server; on a connection error it tries the same again at the next."""

    def __init__(self, ports: list[int], first: int) -> None:
        self._ports = itertools.cycle(ports[first:] + ports[:first])
        self._connection: http.client.HTTPSConnection | None = None
        self.again = 0

    def __call__(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {ADMIN}", "Content-Type": "application/json"}
        for _ in range(100):
            try:
                if self._connection is None:
                    port = next(self._ports)
                    self._connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=TLS)
                self._connection.request(method, path, json.dumps(body) if body else None, headers)
                answer = self._connection.getresponse()
                return answer.status, json.loads(answer.read())
            except (OSError, http.client.HTTPException):
                self.leave()
                self.again += 1
        raise AssertionError("no server answers")

    def leave(self) -> None:
        """The next request goes to the next server."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def hammer(ports: list[int], number: int, stop: threading.Event, wrong: list[Any], done: list[int]) -> None:
    """Writes at one server and reads what was written at the next, over and over."""
    client = Client(ports, number % len(ports))
    for turn in itertools.count():
        if stop.is_set():
            break
        name, before = f"m-{number}-{turn}", client.again
        code, made = client("POST", MAPS, {"metadata": {"name": name}, "data": {"n": "1"}})
        if code == 409 and client.again > before:
            code, made = client("GET", f"{MAPS}/{name}")
        elif code != 201:
            wrong.append((code, made))
            continue
        client.leave()
        code, read = client("GET", f"{MAPS}/{name}")
        if (code, read["metadata"].get("uid")) != (200, made["metadata"]["uid"]):
            wrong.append(("stale read", code, read))
        client.leave()
        code, listed = client("GET", f"{MAPS}?fieldSelector=metadata.name%3D{name}")
        if len(listed.get("items", [])) != 1:
            wrong.append(("stale list", code, listed))
        client.leave()
        before = client.again
        code, gone = client("DELETE", f"{MAPS}/{name}")
        if code != 200 and not (code == 404 and client.again > before):
            wrong.append((code, gone))
        done[number] += 1
    client.leave()


def test_a_rolling_restart_fails_no_request_and_no_read_is_stale(servers: list[Any]) -> None:
    stop, wrong, done = threading.Event(), [], [0] * CLIENTS
    ports = [process.port for process in servers]
    threads = [threading.Thread(target=hammer, args=(ports, n, stop, wrong, done)) for n in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        for process in servers:
            before = sum(done)
            process.stop()
            process.start()
            assert sum(done) > before, "nothing was served while one of three servers was away"
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not wrong, wrong


def test_a_watch_ends_cleanly_and_goes_on_at_another_server(
    servers: list[Any], client: Callable[[int], Client]
) -> None:
    first, other = servers[0], client(1)
    version = other("GET", MAPS)[1]["metadata"]["resourceVersion"]
    connection = http.client.HTTPSConnection("127.0.0.1", first.port, timeout=30, context=TLS)
    connection.request(
        "GET", f"{MAPS}?watch=true&resourceVersion={version}", headers={"Authorization": f"Bearer {ADMIN}"}
    )
    answer = connection.getresponse()
    other("POST", MAPS, {"metadata": {"name": "seen"}})
    seen = json.loads(answer.readline())
    assert seen["object"]["metadata"]["name"] == "seen"
    first.stop()
    assert answer.read() == b"", "the stream ended in the middle of an event"
    connection.close()
    other("POST", MAPS, {"metadata": {"name": "next"}})
    first.start()
    version = seen["object"]["metadata"]["resourceVersion"]
    listed = client(0)("GET", f"{MAPS}?resourceVersion={version}&resourceVersionMatch=NotOlderThan")[1]
    assert {"seen", "next"} <= {item["metadata"]["name"] for item in listed["items"]}


def addresses(of: Client) -> tuple[list[str], list[str]]:
    """Of the kubernetes service, in the older and in the newer form."""
    subsets = of("GET", ENDPOINTS)[1].get("subsets") or []
    endpoints = of("GET", SLICE)[1].get("endpoints") or []
    old = [address["ip"] for subset in subsets for address in subset["addresses"]]
    return old, [address for endpoint in endpoints for address in endpoint["addresses"]]


def test_the_kubernetes_service_has_every_server_and_loses_one_that_stops(
    servers: list[Any], client: Callable[[int], Client]
) -> None:
    asked = client(0)
    all_of_them = [f"198.51.100.{number}" for number in (1, 2, 3)]
    assert addresses(asked) == (all_of_them, all_of_them)
    servers[2].stop()
    assert addresses(asked) == (all_of_them[:2], all_of_them[:2])
    servers[2].start()
    assert addresses(asked) == (all_of_them, all_of_them)


def test_what_one_server_made_the_other_builds_upon_at_once(client: Callable[[int], Client]) -> None:
    one, other = client(0), client(1)
    for number in range(20):
        namespace = f"fresh-{number}"
        assert one("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})[0] == 201
        path = f"/api/v1/namespaces/{namespace}/configmaps"
        assert other("POST", path, {"metadata": {"name": "c"}, "data": {"a": "1"}})[0] == 201
        code, changed = one("PUT", f"{path}/c", {"metadata": {"name": "c"}, "data": {"a": "2"}})
        assert (code, changed["data"]) == (200, {"a": "2"})
        code, same = other("PUT", f"{path}/c", {"metadata": {"name": "c"}, "data": {"a": "2"}})
        assert (code, same["metadata"]["resourceVersion"]) == (200, changed["metadata"]["resourceVersion"])
        assert other("DELETE", f"{path}/c")[0] == 200
        assert one("DELETE", f"{path}/c")[0] == 404
