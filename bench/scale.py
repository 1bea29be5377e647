"""What the API server holds at its stated limits: open watches, a steady mixed load, and lists of very many pods.

usage: bench/scale.py [--seconds N] [--watches N] [--pods N] [--rows watches,load,together,list]
                      [--store sqlite|etcd] [--servers N] [--part SHARE]

  watches  N watches of one resource open at once; from a create until the event is at all of them
  load     1,000 writes/s and 10,000 reads/s held together for N seconds: what was held, and p99 of both
  together the same load while N watches are open, as kubelets open them, over `--servers` API servers on one etcd:
             bench/scale.py --rows together --store etcd --servers 2
  list     N pods listed in one stream, and how much the server's memory grows by it

The load generator shares the machine with the server, as in all figures here.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import itertools
import json
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import uvloop
from apiserver import PODS, TOKEN, Server, opened, serving
from calibrator import UPSTREAM_MACHINE, measure
from report import Row, show

MAPS = "/api/v1/namespaces/default/configmaps"
AUTHORIZATION = f"Host: x\r\nAuthorization: Bearer {TOKEN}\r\n"
OPENED_AT_ONCE = 100
TICK_SECONDS = 0.01
WRITERS, READERS = 64, 32
"""Connections. On one, requests are answered in their order: a write takes some 10 ms under load, so a connection holds
less than 100 of them a second, and 64 leave room."""
PLANTED_AT_ONCE = 5000


def insecure() -> ssl.SSLContext:
    return ssl._create_unverified_context()


class Watcher(asyncio.Protocol):
    """Counts itself when the event it waits for arrives."""

    def __init__(self, request: bytes, arrived: Callable[[], None]) -> None:
        self._request, self._arrived = request, arrived

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(self._request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        if b'"type":"ADDED"' in data:
            self._arrived()


async def watches(server: Server, count: int) -> tuple[float, float, float]:
    """Seconds until an event is at all watches (the best and the worst of five), and the server's MB with all open."""
    version = json.loads(server.get(MAPS)[1])["metadata"]["resourceVersion"]
    request = f"GET {MAPS}?watch=1&resourceVersion={version} HTTP/1.1\r\n{AUTHORIZATION}\r\n".encode()
    waiting, everybody = 0, asyncio.Event()

    def arrived() -> None:
        nonlocal waiting
        waiting -= 1
        if waiting == 0:
            everybody.set()

    loop, context = asyncio.get_running_loop(), insecure()
    opened = []
    for begin in range(0, count, OPENED_AT_ONCE):
        some = [
            loop.create_connection(lambda: Watcher(request, arrived), "127.0.0.1", server.port, ssl=context)
            for _ in range(min(OPENED_AT_ONCE, count - begin))
        ]
        opened += await asyncio.gather(*some)
    await asyncio.sleep(1)
    memory, times = server.memory(), []
    for number in range(5):
        waiting = count
        everybody.clear()
        began = time.monotonic()
        await asyncio.to_thread(create_map, server, number)
        await asyncio.wait_for(everybody.wait(), 60)
        times.append(time.monotonic() - began)
    for transport, _ in opened:
        transport.abort()
    return min(times), max(times), memory


def create_map(server: Server, number: int) -> None:
    post(server, MAPS, {"metadata": {"name": f"w{number}"}, "data": {"k": "v"}})


def post(server: Server, path: str, made: dict[str, object]) -> None:
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=insecure())
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    connection.request("POST", path, json.dumps(made), headers)
    answer = connection.getresponse()
    assert answer.status == 201, answer.read()
    answer.read()


@dataclass
class Load:
    """Requests of one kind at a steady rate over a few connections, answers awaited in order on each."""

    rate: float
    make: Callable[[int], bytes]
    took: list[float] = field(default_factory=list)
    failed: int = 0
    sent: int = 0

    async def run(self, port: int, connections: int, seconds: float) -> None:
        """Sends what is due each tick, whether or not earlier answers have come: a server that is late shows it."""
        loop, context = asyncio.get_running_loop(), insecure()
        made = [
            await loop.create_connection(lambda: Pipe(self), "127.0.0.1", port, ssl=context) for _ in range(connections)
        ]
        pipes = [pipe for _, pipe in made]
        began = time.monotonic()
        while (now := time.monotonic()) < began + seconds:
            due = int((now - began) * self.rate)
            batches: dict[int, list[bytes]] = {}
            while self.sent < due:
                batches.setdefault(self.sent % connections, []).append(self.make(self.sent))
                self.sent += 1
            for index, requests in batches.items():
                pipes[index].send(requests)
            await asyncio.sleep(TICK_SECONDS)
        for _ in range(1000):
            if not any(pipe.sent for pipe in pipes):
                break
            await asyncio.sleep(TICK_SECONDS)
        for transport, _ in made:
            transport.abort()


class Pipe(asyncio.Protocol):
    """A connection whose answers are matched to requests by their order."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._data = b""
        self.sent: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def send(self, requests: list[bytes]) -> None:
        self.sent += [time.monotonic()] * len(requests)
        self._transport.write(b"".join(requests))  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._data += data
        at, now = 0, time.monotonic()
        answered = 0
        while (end := self._data.find(b"\r\n\r\n", at)) >= 0:
            length = self._data.find(b"Content-Length: ", at, end)
            after = end + 4 + int(self._data[length + 16 : self._data.find(b"\r\n", length)])
            if after > len(self._data):
                break
            if self._data[at + 9 : at + 10] != b"2":
                self._load.failed += 1
            at = after
            answered += 1
        if answered:
            self._load.took += [now - sent for sent in self.sent[:answered]]
            del self.sent[:answered]
            self._data = self._data[at:]


async def load(
    servers: list[Server], seconds: float, part: float = 1.0, readers: int = READERS
) -> tuple[list[Load], list[Load]]:
    """The writes and the reads of a mixed load, shared out evenly; `readers` connections take turns with the reads."""
    create_map(servers[0], 1000)
    get = f"GET {MAPS}/w1000 HTTP/1.1\r\n{AUTHORIZATION}\r\n".encode()

    def create(number: int) -> bytes:
        body = json.dumps(pod(f"load-{next(numbers)}"))
        head = f"POST {PODS} HTTP/1.1\r\n{AUTHORIZATION}Content-Type: application/json\r\nContent-Length: {len(body)}"
        return f"{head}\r\n\r\n{body}".encode()

    share, numbers = len(servers), itertools.count()
    writes = [Load(1000 * part / share, create) for _ in servers]
    reads = [Load(10_000 * part / share, lambda _: get) for _ in servers]
    runs = [each.run(server.port, WRITERS // share, seconds) for each, server in zip(writes, servers, strict=True)]
    runs += [each.run(server.port, readers // share, seconds) for each, server in zip(reads, servers, strict=True)]
    await asyncio.gather(*runs)
    return writes, reads


class Stream(asyncio.Protocol):
    """A watch that is open until its connection is lost."""

    def __init__(self, request: bytes, open_now: set[Stream]) -> None:
        self._request, self._open_now = request, open_now

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(self._request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        if data.startswith(b"HTTP/1.1 200"):
            self._open_now.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._open_now.discard(self)


async def together(
    servers: list[Server], count: int, seconds: float, part: float, readers: int
) -> tuple[list[Load], list[Load], int, float]:
    """The mixed load while `count` nodes watch their pods; how many of them still did, and the servers' CPU seconds."""
    loop, context, streams = asyncio.get_running_loop(), insecure(), set[Stream]()
    opened = []
    for begin in range(0, count, OPENED_AT_ONCE):
        some = []
        for number in range(begin, min(begin + OPENED_AT_ONCE, count)):
            query = f"watch=1&fieldSelector=spec.nodeName%3Dnode-{number}"
            request = f"GET {PODS}?{query} HTTP/1.1\r\n{AUTHORIZATION}\r\n".encode()
            port = servers[number % len(servers)].port
            some.append(loop.create_connection(partial(Stream, request, streams), "127.0.0.1", port, ssl=context))
        opened += await asyncio.gather(*some)
    before = sum(server.cpu() for server in servers)
    writes, reads = await load(servers, seconds, part, readers)
    held, used = len(streams), sum(server.cpu() for server in servers) - before
    for transport, _ in opened:
        transport.abort()
    return writes, reads, held, used


def load_rows(name: str, loads: list[Load], rows: list[Row], notes: list[str]) -> None:
    """What was held of a kind of request."""
    sent, failed = sum(each.sent for each in loads), sum(each.failed for each in loads)
    took = sorted(itertools.chain.from_iterable(each.took for each in loads))
    rate = sum(each.rate for each in loads)
    p50, p90, p99 = (took[int(len(took) * part)] for part in (0.5, 0.9, 0.99))
    rows.append(Row(f"{name} held together", "-", rate, rate * len(took) / sent, "1/s", False))
    rows.append(Row(f"p99 of {name}", "-", 0.05, p99, "s"))
    answered = f"{sent} sent, {len(took)} answered, {failed} refused"
    notes.append(f"{name}: {answered}; p50 {p50 * 1000:.1f} ms, p90 {p90 * 1000:.1f} ms")


@contextlib.contextmanager
def several(store: str, count: int) -> Iterator[list[Server]]:
    """So many servers over one store."""
    with tempfile.TemporaryDirectory(prefix="sampan-bench-") as folder, opened(store, Path(folder)) as name:
        servers: list[Server] = []
        try:
            for number in range(count):
                (Path(folder) / str(number)).mkdir()
                servers.append(Server(Path(folder) / str(number), name))
            yield servers
        finally:
            for server in servers:
                server.stop()


def pod(name: str) -> dict[str, object]:
    container = {
        "name": "app",
        "image": "registry.example/app:1.0",
        "ports": [{"containerPort": 8080}],
        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
    }
    labels = {"app": "bench", "tier": "web"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels, "annotations": {"note": "benchmark"}},
        "spec": {"containers": [container]},
    }


READER = """
import http.client, ssl, sys, time
context = ssl._create_unverified_context()
connection = http.client.HTTPSConnection("127.0.0.1", int(sys.argv[1]), timeout=300, context=context)
began = time.monotonic()
connection.request("GET", sys.argv[2], headers={"Authorization": "Bearer " + sys.argv[3]})
answer, size = connection.getresponse(), 0
while piece := answer.read(1 << 20):
    size += len(piece)
print(time.monotonic() - began, size)
"""


def listing(server: Server) -> tuple[float, float, float, float]:
    """Seconds and MB of one list of all pods, and the server's memory before and at most during it, in MB."""
    before = most = server.memory()
    arguments = [sys.executable, "-c", READER, str(server.port), PODS, TOKEN]
    reader = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    while reader.poll() is None:
        most = max(most, server.memory())
        time.sleep(0.01)
    assert reader.stdout
    seconds, size = reader.stdout.read().split()
    reader.stdout.close()
    return float(seconds), int(size) / 1e6, before, most


async def plant(data: Path, count: int) -> None:
    """Multiplies a store's one pod: so many creates would take a minute."""
    from sampan.aio.clock import SystemClock
    from sampan.store.interface import Put
    from sampan.store.sqlite import SqliteStore

    store = SqliteStore(data / "store.db", SystemClock())
    await store.start()
    model = await store.get("/registry/core/pods/default/model")
    assert model is not None
    for begin in range(0, count, PLANTED_AT_ONCE):
        names = [f"planted-{number:06}" for number in range(begin, min(begin + PLANTED_AT_ONCE, count))]
        keys = {f"/registry/core/pods/default/{name}": model.value.replace(b"model", name.encode()) for name in names}
        await asyncio.gather(*(store.commit([], [Put(key, value)]) for key, value in keys.items()))
    await store.close()


@contextlib.contextmanager
def serving_pods(count: int) -> Iterator[Server]:
    """A server that starts with so many pods."""
    with tempfile.TemporaryDirectory(prefix="sampan-bench-") as folder:
        data = Path(folder)
        server = Server(data)
        post(server, PODS, pod("model"))
        server.stop()
        uvloop.run(plant(data, count - 1))
        server = Server(data)
        try:
            yield server
        finally:
            server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--watches", type=int, default=10_000)
    parser.add_argument("--pods", type=int, default=150_000)
    parser.add_argument("--rows", default="watches,load,list")
    parser.add_argument("--store", default="sqlite", help="sqlite, or etcd: one for the run")
    parser.add_argument("--part", type=float, default=1.0, help="part of that load, for a machine with less to give")
    parser.add_argument("--readers", type=int, default=READERS, help="connections for the reads of the row `together`")
    parser.add_argument("--servers", type=int, default=1, help="API servers for the row `together`")
    arguments = parser.parse_args()
    wanted = arguments.rows.split(",")
    rows, notes = [], []
    if "watches" in wanted:
        with serving(arguments.store) as server:
            best, worst, memory = uvloop.run(watches(server, arguments.watches))
            rows.append(Row(f"an event at {arguments.watches:,} watches", "-", 1.0, best, "s"))
            notes.append(f"watches: worst of five {worst:.2f} s, {memory:.0f} MB with all open")
    if "load" in wanted:
        with serving(arguments.store) as server:
            writes, reads = uvloop.run(load([server], arguments.seconds, arguments.part))
        load_rows("writes", writes, rows, notes)
        load_rows("reads", reads, rows, notes)
    if "together" in wanted:
        with several(arguments.store, arguments.servers) as servers:
            writes, reads, streams, used = uvloop.run(
                together(servers, arguments.watches, arguments.seconds, arguments.part, arguments.readers)
            )
            memory = ", ".join(f"{server.memory():.0f} MB" for server in servers)
            notes.append(f"servers: {memory}; {used:.1f} s of CPU for the load, {used / arguments.seconds:.2f} cores")
        load_rows("writes", writes, rows, notes)
        load_rows("reads", reads, rows, notes)
        rows.append(Row("watch streams open meanwhile", "-", arguments.watches, streams, "1/s", False))
    if "list" in wanted:
        with serving_pods(arguments.pods) as server:
            took, size, before, most = listing(server)
            rows.append(Row(f"LIST {arguments.pods:,} pods ({size:.0f} MB)", "30 s", 30, took, "s"))
            rows.append(Row("memory it adds", "-", size, most - before, "MB", False))
            notes.append(f"list: {before:.0f} MB before, {most:.0f} MB at most, {server.memory():.0f} MB after")
    show(rows, measure() / UPSTREAM_MACHINE)
    for note in notes:
        print(note)


if __name__ == "__main__":
    main()
