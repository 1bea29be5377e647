"""Service rules and names: how long a packet's first lookup and a change take among N services, and DNS queries/s.

usage: bench/network.py [--services N] [--seconds S]

Runs in a network namespace of its own, on its loopback device; needs root. The first-packet figure is what a
connection through a service takes longer than one made directly. The DNS client shares the machine with the server.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import os
import random
import socket
import statistics
import struct
import subprocess
import threading
import time
from collections.abc import Iterator

import dnslib
import uvloop
from calibrator import UPSTREAM_MACHINE, measure
from report import Row, show

from sampan.aio.clock import SystemClock
from sampan.aio.tasks import TaskOwner
from sampan.network.dns.cache import AnswerCache
from sampan.network.dns.exchange import SocketExchange
from sampan.network.dns.forwarding import Forwarder
from sampan.network.dns.records import address_record
from sampan.network.dns.resolver import Resolver
from sampan.network.dns.responder import Responder
from sampan.network.dns.server import Listener
from sampan.network.dns.wire import encode_name
from sampan.network.dns.zone import Zone
from sampan.network.proxy.backend import Change, Ports
from sampan.network.proxy.model import Endpoint, Frontend, ServicePort
from sampan.network.proxy.nftables.backend import NftablesBackend
from sampan.network.proxy.settings import Settings

CLONE_NEWNET = 0x40000000
TARGET = ("127.0.0.1", 8080)
CONNECTIONS = 3000
CHANGES = 60
NAMES = 1000


def service(number: int, endpoints: int = 3, shift: int = 0) -> Ports:
    """A service with endpoints that nobody connects to."""
    address = f"10.{96 + number // 65000}.{number % 65000 // 250}.{number % 250 + 1}"
    targets = tuple(Endpoint(f"10.244.{(k + shift) // 250}.{(k + shift) % 250 + 1}", 8080) for k in range(endpoints))
    return (ServicePort("tcp", (Frontend("cluster", address, 80),), targets, ()),)


def rules(services: int) -> Iterator[Row]:
    """The rows of the service proxy."""
    backend = NftablesBackend(Settings(cluster_cidr="10.244.0.0/16"))
    among = f"among {services:,} services"
    wanted = {f"d/s{number}": service(number) for number in range(services)}
    wanted["d/target"] = (ServicePort("tcp", (Frontend("cluster", "10.200.0.1", 80),), (Endpoint(*TARGET),), ()),)
    threading.Thread(target=accept, args=(socket.create_server(TARGET, backlog=1000),), daemon=True).start()
    began = time.perf_counter()
    asyncio.run(backend.replace(wanted))
    full = time.perf_counter() - began
    extra = max(connecting(("10.200.0.1", 80)) - connecting(TARGET), 0)
    yield Row(f"first packet, p50, µs, {among}", "10 µs", 10, extra * 1e6, "µs")
    few, many = asyncio.run(changes(backend, wanted, services))
    yield Row(f"one change, p50, ms, {among}", "", 20, statistics.median(few) * 1e3, "ms")
    yield Row(f"one change, p90, ms, {among}", "", 20, sorted(few)[len(few) * 9 // 10] * 1e3, "ms")
    yield Row("one of 250 endpoints exchanged, p50, ms", "", 20, statistics.median(many) * 1e3, "ms")
    yield Row(f"all rules written, s, {among}", "", 5, full, "s")
    asyncio.run(backend.remove())


async def changes(backend: NftablesBackend, state: dict[str, Ports], services: int) -> tuple[list[float], list[float]]:
    """Seconds for changes of small services, and of one with 250 endpoints."""
    few, many = [], []
    for number in random.Random(1).sample(range(services), min(CHANGES, services)):
        few.append(await timed(backend, Change(f"d/s{number}", state[f"d/s{number}"], service(number, 3, 9))))
    large = service(services, 250)
    await timed(backend, Change("d/large", (), large))
    for turn in range(1, CHANGES // 2):
        changed = service(services, 250, turn)
        many.append(await timed(backend, Change("d/large", large, changed)))
        large = changed
    return few, many


async def timed(backend: NftablesBackend, change: Change) -> float:
    began = time.perf_counter()
    await backend.update([change])
    return time.perf_counter() - began


def connecting(address: tuple[str, int]) -> float:
    """Median seconds of a TCP handshake."""
    taken = []
    for _ in range(CONNECTIONS):
        with socket.socket() as client:
            began = time.perf_counter()
            client.connect(address)
            taken.append(time.perf_counter() - began)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return statistics.median(taken)


def accept(server: socket.socket) -> None:
    while True:
        server.accept()[0].close()


def names(seconds: float) -> Iterator[Row]:
    """The rows of DNS: one server process, one client process with 64 queries under way."""
    reader, writer = os.pipe()
    client = os.fork()
    if client == 0:
        os.close(reader)
        os.write(writer, repr(asking(seconds)).encode())
        os._exit(0)
    os.close(writer)
    uvloop.run(serve(reader))
    rate, p99 = eval(os.read(reader, 1000))
    os.waitpid(client, 0)
    yield Row("DNS, cluster names, queries/s", "33,700/s on 2 vCPU", 40_000, rate, "1/s")
    yield Row("DNS, p99 with 64 queries under way, ms", "", 5, p99 * 1e3, "ms")


async def serve(until_written: int) -> None:
    zone = Zone()
    for number in range(NAMES):
        name = encode_name(f"s{number}.default.svc.cluster.local")
        zone.replace(f"default/s{number}", frozenset([address_record(name, f"10.96.{number // 250}.{number % 250}")]))
    clock = SystemClock()
    forwarder = Forwarder(exchange=SocketExchange(), clock=clock, rng=random.Random(1), cache=AnswerCache())
    async with TaskOwner("dns") as owner:
        responder = Responder(zone, lambda: True)
        listener = Listener(responder=responder, resolver=Resolver(zone, forwarder), clock=clock, owner=owner)
        await listener.open("127.0.0.1", 5300)
        done = asyncio.Event()
        asyncio.get_running_loop().add_reader(until_written, done.set)
        await done.wait()
        asyncio.get_running_loop().remove_reader(until_written)
        listener.close()


def asking(seconds: float) -> tuple[float, float]:
    """Queries answered a second, and the 99th percentile of the seconds one took."""
    queries = [
        struct.pack(">H", number) + bytes(dnslib.DNSRecord.question(f"s{number}.default.svc.cluster.local").pack())[2:]
        for number in range(NAMES)
    ]
    sent = [0.0] * NAMES
    taken: list[float] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", 5300))
        client.settimeout(5)
        wait_for_server(client, queries[0])
        began = time.perf_counter()
        for number in range(64):
            sent[number] = began
            client.send(queries[number])
        count = 64
        while (now := time.perf_counter()) < began + seconds:
            answer = client.recv(512)
            taken.append(now - sent[answer[0] << 8 | answer[1]])
            number = count % NAMES
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--services", type=int, default=30_000)
    parser.add_argument("--seconds", type=float, default=5)
    arguments = parser.parse_args()
    calibration = measure() / UPSTREAM_MACHINE
    if ctypes.CDLL(None).unshare(CLONE_NEWNET):
        raise SystemExit("run as root: needs a network namespace of its own")
    subprocess.run(("ip", "link", "set", "lo", "up"), check=True)
    subprocess.run(("ip", "route", "add", "10.0.0.0/8", "dev", "lo"), check=True)
    show([*rules(arguments.services), *names(arguments.seconds)], calibration)


if __name__ == "__main__":
    main()
