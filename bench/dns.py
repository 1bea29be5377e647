"""DNS: queries answered a second and how long one takes, beside unbound, a recursive server of Debian's, on the same
machine: names of the cluster (local data there), names that search paths make and nobody has, others' names from the
cache and not from it. Then what a large cluster's names take of memory, and how soon an endpoint's change is answered.

usage: bench/dns.py [--seconds S] [--services N] [--pods N]

One server process at a time, one client process with 64 queries under way; it is Debian's dnsperf where that is
installed (p99 by this program's own), and this program's own otherwise. Others' names come from another unbound. Needs
root: runs in a network namespace of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import gc
import multiprocessing
import random
import re
import resource
import shutil
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvloop
from calibrator import UPSTREAM_MACHINE, measure
from report import Row, show

from sampan.aio import heap
from sampan.aio.clock import SystemClock
from sampan.aio.tasks import TaskOwner
from sampan.api.kinds import core_v1, discovery_v1, meta_v1
from sampan.network.dns import DnsServer, wire
from sampan.network.dns.cache import AnswerCache
from sampan.network.dns.exchange import SocketExchange
from sampan.network.dns.forwarding import Forwarder
from sampan.network.dns.records import address_record, service_records
from sampan.network.dns.resolver import Resolver
from sampan.network.dns.responder import Responder
from sampan.network.dns.server import Listener
from sampan.network.dns.wire import encode_name
from sampan.network.dns.zone import Zone
from sampan.testing.fakeapi import FakeApi

CLONE_NEWNET = 0x40000000
NAMES, DISTINCT = 1000, 200_000
OURS, UNBOUND, OTHERS = 5300, 5301, 5302
CHANGES, RATE = 150, 50
WORKLOADS = {
    "cluster names": [f"s{number}.default.svc.cluster.local" for number in range(NAMES)],
    "search path, not found": [f"w{number}.example.org.default.svc.cluster.local" for number in range(NAMES)],
    "others, cached": [f"w{number}.example.org" for number in range(NAMES)],
    "others, not cached": [f"x{number}.example.org" for number in range(DISTINCT)],
}
GOALS = {"cluster names": 40_000.0}
UPSTREAM = {"cluster names": "33,700/s on 2 vCPU"}


def rates(seconds: float) -> Iterator[Row]:
    """Ours, then unbound where it is installed; without it nobody knows others' names."""
    installed = shutil.which("unbound") is not None
    workloads = list(WORKLOADS) if installed else list(WORKLOADS)[:2]
    others = ['local-zone: "example.org." redirect', 'local-data: "example.org. 60 IN A 192.0.2.80"']
    with by_unbound(OTHERS, others) if installed else contextlib.nullcontext():
        with by_ourselves():
            yield from asked("", OURS, workloads, seconds, GOALS)
        if installed:
            with by_unbound(UNBOUND, local_data()):
                yield from asked("unbound, ", UNBOUND, workloads, seconds, {})


def asked(who: str, port: int, workloads: list[str], seconds: float, goals: dict[str, float]) -> Iterator[Row]:
    for what in workloads:
        rate, p99 = asking(port, WORKLOADS[what], seconds)
        yield Row(f"{who}{what}, queries/s", UPSTREAM.get(what, "") if goals else "", goals.get(what, 0), rate, "1/s")
        yield Row(f"{who}{what}, p99 with 64 under way", "", 5 if what in goals else 1000, p99 * 1e3, "ms")


@contextlib.contextmanager
def by_ourselves() -> Iterator[None]:
    server = multiprocessing.Process(target=lambda: uvloop.run(serve()))
    server.start()
    try:
        yield
    finally:
        server.terminate()
        server.join()


async def serve() -> None:
    """Until terminated."""
    heap.settle()
    zone = Zone(server_addresses=["127.0.0.1"])
    zone.add_namespace("default")
    for number, text in enumerate(WORKLOADS["cluster names"]):
        zone.replace(text, frozenset([address_record(encode_name(text), address(number))]))
    clock = SystemClock()
    forwarder = Forwarder(exchange=SocketExchange(OTHERS), clock=clock, rng=random.Random(1), cache=AnswerCache())
    forwarder.use(["127.0.0.1"])
    async with TaskOwner("dns") as owner:
        responder = Responder(zone, lambda: True)
        listener = Listener(responder=responder, resolver=Resolver(zone, forwarder), clock=clock, owner=owner)
        await listener.open("127.0.0.1", OURS)
        await asyncio.Event().wait()


def address(number: int) -> str:
    return f"10.96.{number // 250}.{number % 250}"


def local_data() -> list[str]:
    """The cluster's names, and whom to ask for others."""
    data = [f'local-data: "{text}. 5 IN A {address(n)}"' for n, text in enumerate(WORKLOADS["cluster names"])]
    others = ["do-not-query-localhost: no", "forward-zone:", 'name: "."', f"forward-addr: 127.0.0.1@{OTHERS}"]
    return ['local-zone: "cluster.local." static', *data, *others]


@contextlib.contextmanager
def by_unbound(port: int, data: list[str]) -> Iterator[None]:
    """One thread, as it comes otherwise."""
    lines = [
        "server:", f"port: {port}", "interface: 127.0.0.1", "do-daemonize: no", 'chroot: ""', 'username: ""',
        'pidfile: ""', "use-syslog: no", "num-threads: 1", 'module-config: "iterator"', *data,
        "remote-control:", "control-enable: no",
    ]  # fmt: skip
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write("\n".join(lines))
        file.flush()
        server = subprocess.Popen(("unbound", "-c", file.name), stderr=subprocess.DEVNULL)
        try:
            yield
        finally:
            server.terminate()
            server.wait()


def asking(port: int, names: list[str], seconds: float) -> tuple[float, float]:
    """Queries answered a second, and the 99th percentile of the seconds one took."""
    if not shutil.which("dnsperf"):
        return asking_by_ourselves(port, names[::-1], seconds)
    rate = asking_by_dnsperf(port, names, seconds)
    return rate, asking_by_ourselves(port, names[::-1], min(seconds, 1))[1]


def asking_by_dnsperf(port: int, names: list[str], seconds: float) -> float:
    """dnsperf tells no percentile: that is our own client's."""
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("".join(f"{name} A\n" for name in names))
        file.flush()
        command = ("dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", file.name, "-l", str(seconds), "-q", "64")
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"Queries per second:\s+([0-9.]+)", output)
    assert found, output
    return float(found[1])


def asking_by_ourselves(port: int, names: list[str], seconds: float) -> tuple[float, float]:
    """The same, by a client of our own."""
    questions = [encode_name(name) + struct.pack(">HH", wire.A, wire.IN) for name in names[:50_000]]
    queries = [struct.pack(">HHHHHH", n, wire.RD, 1, 0, 0, 0) + question for n, question in enumerate(questions)]
    sent = [0.0] * len(queries)
    taken: list[float] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", port))
        client.settimeout(5)
        wait_for_server(client, queries[-1])
        began = time.perf_counter()
        for number in range(64):
            sent[number] = began
            client.send(queries[number])
        count = 64
        while (now := time.perf_counter()) < began + seconds:
            answer = client.recv(512)
            taken.append(now - sent[answer[0] << 8 | answer[1]])
            number = count % len(queries)
            sent[number] = now
            client.send(queries[number])
            count += 1
    return len(taken) / seconds, sorted(taken)[len(taken) * 99 // 100]


def wait_for_server(client: socket.socket, query: bytes) -> None:
    for _ in range(100):
        try:
            client.send(query)
            client.recv(512)
            return
        except ConnectionRefusedError:
            time.sleep(0.05)


def memory(services: int, pods: int) -> Iterator[Row]:
    """Of the names alone: the objects are there before."""
    objects = [
        *((service(number), [endpoints(number, 1)]) for number in range(services)),
        *((headless(number), [endpoints(number, 50)]) for number in range(pods // 50)),
    ]
    zone, before, began = Zone(), resident(), time.perf_counter()
    for number, (one, slices) in enumerate(objects):
        zone.replace(str(number), service_records(one, slices, zone.name))
    what = f"{services:,} services, {pods:,} headless pods"
    yield Row(f"{what}: names made", "", 1, time.perf_counter() - began, "s")
    yield Row(f"{what}: memory", "69 MB, whole process", 69, (resident() - before) / 1e6, "MB", scaled=False)


def resident() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


async def following(services: int) -> Row:
    """From a change of a headless service's endpoints to the answer, over UDP, at 50 changes a second."""
    api, clock = FakeApi(SystemClock()), SystemClock()
    api.add(*(service(number) for number in range(services)), headless(0), endpoints(0, 50))
    server = DnsServer(client=api, clock=clock, rng=random.Random(1), addresses=["127.0.0.1"], port=0,
                       interface_name="", upstreams=[])  # fmt: skip
    task = asyncio.create_task(server.run())
    while not server.healthy():  # noqa: ASYNC110 - a benchmark may poll
        await asyncio.sleep(0.01)
    taken = []
    for turn in range(CHANGES):
        began = time.perf_counter()
        api.change(discovery_v1.EndpointSlice, "h0", "d", lambda piece, turn=turn: move(piece, turn))
        await answered(server.bound_port, "p0.h0.d.svc.cluster.local", socket.inet_aton(f"10.250.0.{turn}"))
        taken.append(time.perf_counter() - began)
        await asyncio.sleep(max(1 / RATE - taken[-1], 0))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    p99 = sorted(taken)[len(taken) * 99 // 100]
    return Row(f"endpoint to answer at {RATE}/s among {services:,} services, p99", "", 100, p99 * 1e3, "ms")


async def answered(port: int, name: str, address: bytes) -> None:
    """Asks until that address is the answer."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        client.connect(("127.0.0.1", port))
        query = struct.pack(">HHHHHH", 7, wire.RD, 1, 0, 0, 0) + encode_name(name) + struct.pack(">HH", wire.A, wire.IN)
        while True:
            client.send(query)
            if (await loop.sock_recv(client, 512))[-4:] == address:
                return


def service(number: int) -> Any:
    spec = core_v1.ServiceSpec(clusterIP=address(number), ports=[core_v1.ServicePort(name="http", port=80)])
    return core_v1.Service(metadata=meta_v1.ObjectMeta(name=f"s{number}", namespace="d"), spec=spec)


def headless(number: int) -> Any:
    spec = core_v1.ServiceSpec(clusterIP="None", ports=[core_v1.ServicePort(name="http", port=80)])
    return core_v1.Service(metadata=meta_v1.ObjectMeta(name=f"h{number}", namespace="d"), spec=spec)


def endpoints(number: int, count: int) -> Any:
    labels = {"kubernetes.io/service-name": f"h{number}"}
    return discovery_v1.EndpointSlice(
        metadata=meta_v1.ObjectMeta(name=f"h{number}", namespace="d", labels=labels), addressType="IPv4",
        ports=[discovery_v1.EndpointPort(name="http", port=80)],
        endpoints=[
            discovery_v1.Endpoint(addresses=[f"10.244.{number % 250}.{pod}"], hostname=f"p{pod}")
            for pod in range(count)
        ],
    )  # fmt: skip


def move(piece: Any, turn: int) -> None:
    piece.endpoints[0].addresses = [f"10.250.0.{turn}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--services", type=int, default=10_000)
    parser.add_argument("--pods", type=int, default=5_000)
    arguments = parser.parse_args()
    calibration = measure() / UPSTREAM_MACHINE
    if ctypes.CDLL(None).unshare(CLONE_NEWNET):
        raise SystemExit("run as root: needs a network namespace of its own")
    subprocess.run(("ip", "link", "set", "lo", "up"), check=True)
    rows = [*rates(arguments.seconds), *memory(arguments.services, arguments.pods)]
    show([*rows, asyncio.run(following(arguments.services))], calibration)


if __name__ == "__main__":
    main()
