"""Services in every proxy mode side by side: how long a first packet, a change and a full write take among N services,
what one connection carries and costs, what memory it takes, and how soon the rules follow an endpoint.

usage: bench/services.py [--modes nftables,ebpf,iptables,ipvs-requests] [--services 10,1000,10000] [--seconds S]

Each mode and number runs in a network namespace and a process of its own, on its loopback device; needs root. The
first-packet figure is what a connection through a service takes longer than one made directly, which walks iptables'
chains as well. CPU is this process's and its children's; memory is what this process has more than before, services
included. iptables takes minutes for 30,000 services. `ipvs-requests` makes the messages for a kernel with IPVS, and
sends them nowhere.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import gc
import json
import os
import random
import resource
import socket
import statistics
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from sampan.aio.clock import SystemClock
from sampan.api.kinds import core_v1, discovery_v1, meta_v1
from sampan.network.netlink.generic import HEAD
from sampan.network.netlink.message import ACK, REQUEST, message
from sampan.network.proxy import ServiceProxy, modes, places
from sampan.network.proxy.backend import Backend, Change, Ports
from sampan.network.proxy.ipvs.plan import Found, State, Steps
from sampan.network.proxy.ipvs.tuning import Tuning
from sampan.network.proxy.model import Endpoint, Frontend, ServicePort
from sampan.network.proxy.settings import Settings
from sampan.testing.fakeapi import FakeApi

CLONE_NEWNET = 0x40000000
TARGET = ("127.0.0.1", 8080)
ENDPOINT = ("10.250.0.1", 8080)
SERVICE = ("10.200.0.1", 80)
CONNECTIONS = 2000
CHANGES = 40
RATE = 50
CHUNK = bytes(1 << 17)
REQUESTS_ONLY = "ipvs-requests"


def service(number: int, endpoints: int = 3, shift: int = 0) -> Ports:
    """A service with endpoints that nobody connects to."""
    address = f"10.{96 + number // 65000}.{number % 65000 // 250}.{number % 250 + 1}"
    targets = tuple(Endpoint(f"10.244.{(k + shift) // 250}.{(k + shift) % 250 + 1}", 8080) for k in range(endpoints))
    return (ServicePort("tcp", (Frontend("cluster", address, 80),), targets, ()),)


def all_services(count: int) -> dict[str, Ports]:
    return {f"d/s{number}": service(number) for number in range(count)}


def measured(mode: str, services: int, seconds: float) -> dict[str, float]:
    """Every figure of one mode among that many services."""
    subprocess.run(("ip", "link", "set", "lo", "up"), check=True)
    subprocess.run(("ip", "addr", "add", f"{ENDPOINT[0]}/32", "dev", "lo"), check=True)
    subprocess.run(("ip", "route", "add", "10.0.0.0/8", "dev", "lo"), check=True)
    backend = modes.BACKENDS[mode](Settings(cluster_cidr="10.244.0.0/16"))
    memory = resident()
    wanted = all_services(services)
    wanted["d/target"] = (ServicePort("tcp", (Frontend("cluster", *SERVICE),), (Endpoint(*ENDPOINT),), ()),)
    threading.Thread(target=accept, args=(socket.create_server(ENDPOINT, backlog=1000),), daemon=True).start()
    found = {}
    began, cpu = time.perf_counter(), spent()
    asyncio.run(backend.replace(wanted))
    found["all written, s"], found["all written, CPU s"] = time.perf_counter() - began, spent() - cpu
    found |= asyncio.run(anew(backend, wanted))
    found["memory, MB"] = (resident() - memory) / 1e6
    direct = connecting(ENDPOINT)
    found["first packet, µs"] = max(connecting(SERVICE) - direct, 0) * 1e6
    found["direct connection, µs"] = direct * 1e6
    found |= carrying(seconds)
    found |= asyncio.run(changes(backend, wanted, services))
    asyncio.run(backend.replace({}))
    backend.close()
    found |= asyncio.run(following(modes.BACKENDS[mode](Settings()), services, seconds))
    asyncio.run(modes.BACKENDS[mode](Settings()).remove())
    return found


async def anew(backend: Backend, wanted: dict[str, Ports]) -> dict[str, float]:
    """Everything once more, and how long others wait for their turn meanwhile."""
    task, pauses = asyncio.create_task(backend.replace(wanted)), [0.0]
    began = last = time.perf_counter()
    while not task.done():
        await asyncio.sleep(0.001)
        pauses.append((now := time.perf_counter()) - last)
        last = now
    return {"all written anew, s": time.perf_counter() - began, "longest pause meanwhile, ms": max(pauses) * 1e3}


async def changes(backend: Backend, state: dict[str, Ports], services: int) -> dict[str, float]:
    """Of small services, and of one with 250 endpoints."""
    few, cpu = [], spent()
    for number in random.Random(1).sample(range(services), min(CHANGES, services)):
        few.append(await timed(backend, Change(f"d/s{number}", state[f"d/s{number}"], service(number, 3, 9))))
    cpu = (spent() - cpu) / len(few)
    one, many = [[await timed(backend, change) for change in turning(services, by)][1:-1] for by in (1, 250)]
    return {
        "one change, p50, ms": statistics.median(few) * 1e3,
        "one change, p90, ms": sorted(few)[len(few) * 9 // 10] * 1e3,
        "one change, CPU ms": cpu * 1e3,
        "one of 250 endpoints, p50, ms": statistics.median(one) * 1e3,
        "250 of 250 endpoints, p50, ms": statistics.median(many) * 1e3,
    }


def turning(number: int, by: int) -> Iterator[Change]:
    """A service with 250 endpoints comes, changes so many of them a time, and goes, as the proxy hands it on."""
    old: Ports = ()
    for turn in range(CHANGES // 2):
        new = places.kept(old, service(number, 250, turn * by))
        yield Change("d/large", old, new)
        old = new
    yield Change("d/large", old, ())


async def timed(backend: Backend, change: Change) -> float:
    began = time.perf_counter()
    await backend.update([change])
    return time.perf_counter() - began


async def following(backend: Backend, services: int, seconds: float) -> dict[str, float]:
    """From an endpoint's change in the API to its rule, at 50 changes a second: the proxy as it runs."""
    api = FakeApi(SystemClock())
    api.add(*(one for number in range(services) for one in objects(number)))
    proxy = ServiceProxy(
        client=api, clock=SystemClock(), rng=random.Random(1), node_name="n", backends={"IPv4": backend}
    )
    task = asyncio.create_task(proxy.run())
    while not proxy.healthy():  # noqa: ASYNC110 - a benchmark may poll
        await asyncio.sleep(0.01)
    taken = []
    for turn in range(int(seconds * RATE)):
        began, before = time.perf_counter(), proxy.statistics()["changes"]
        api.change(discovery_v1.EndpointSlice, f"s{turn % services}", "d", lambda piece, turn=turn: move(piece, turn))
        while proxy.statistics()["changes"] == before:  # noqa: ASYNC110
            await asyncio.sleep(0.0005)
        taken.append(time.perf_counter() - began)
        await asyncio.sleep(max(1 / RATE - taken[-1], 0))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return {"endpoint to rule at 50/s, p99, ms": sorted(taken)[len(taken) * 99 // 100] * 1e3}


def objects(number: int) -> tuple[Any, Any]:
    metadata = meta_v1.ObjectMeta(name=f"s{number}", namespace="d", labels={"kubernetes.io/service-name": f"s{number}"})
    ports = [core_v1.ServicePort(port=80)]
    address = service(number)[0].frontends[0].address
    piece = discovery_v1.EndpointSlice(
        kind="EndpointSlice", apiVersion="discovery.k8s.io/v1", metadata=metadata, addressType="IPv4",
        ports=[discovery_v1.EndpointPort(port=8080)], endpoints=[discovery_v1.Endpoint(addresses=["10.244.0.1"])],
    )  # fmt: skip
    spec = core_v1.ServiceSpec(clusterIP=address, ports=ports)
    return core_v1.Service(kind="Service", apiVersion="v1", metadata=metadata, spec=spec), piece


def move(piece: Any, turn: int) -> None:
    piece.endpoints = [discovery_v1.Endpoint(addresses=[f"10.245.{turn // 250 % 250}.{turn % 250 + 1}"])]


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


def carrying(seconds: float) -> dict[str, float]:
    """Gbit/s of one connection through the service, and the CPU seconds a gigabyte costs both ends."""
    carried, cpu, began = 0, spent(), time.perf_counter()
    with socket.create_connection(SERVICE) as client:
        while time.perf_counter() < began + seconds:
            client.sendall(CHUNK)
            carried += len(CHUNK)
    took = time.perf_counter() - began
    return {"throughput, Gbit/s": carried * 8e-9 / took, "CPU s per GB": (spent() - cpu) / (carried * 1e-9)}


def accept(server: socket.socket) -> None:
    """Reads all that comes, one connection after the other."""
    buffer = bytearray(1 << 18)
    while True:
        with server.accept()[0] as connection:
            try:
                while connection.recv_into(buffer):
                    pass
            except OSError:
                continue


def requests(services: int) -> dict[str, float]:
    """What ipvs mode would send: rendered and in bytes."""
    memory = resident()
    wanted, state = all_services(services), State(Settings(cluster_cidr="10.244.0.0/16"), Tuning())
    found = {"all written, s": serialized(lambda: state.replace(wanted, Found()))}
    found["all written anew, s"] = serialized(lambda: state.replace(wanted, Found()))
    found["memory, MB"] = (resident() - memory) / 1e6
    few = [Change(f"d/s{number}", wanted[f"d/s{number}"], service(number, 3, 9)) for number in range(10)]
    found["one change, p50, ms"] = rendered(state, few)
    found["one of 250 endpoints, p50, ms"] = rendered(state, turning(services, 1))
    found["250 of 250 endpoints, p50, ms"] = rendered(state, turning(services, 250))
    return found


def rendered(state: State, changes: Iterable[Change]) -> float:
    """Median milliseconds."""
    return statistics.median(serialized(partial(state.update, [one])) for one in changes) * 1e3


def serialized(steps: Callable[[], Steps]) -> float:
    began = time.perf_counter()
    for number, (command, what) in enumerate(steps().requests):
        message(32, REQUEST | ACK, number, HEAD.pack(command, 1, 0) + what)
    return time.perf_counter() - began


def resident() -> int:
    """Bytes of memory this process has, of its own and shared."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def spent() -> float:
    """CPU seconds of this process and its ended children."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def apart(mode: str, services: int, seconds: float) -> dict[str, float]:
    """Measured in a process and a network namespace of its own."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        if ctypes.CDLL(None).unshare(CLONE_NEWNET):
            os._exit(1)
        found = requests(services) if mode == REQUESTS_ONLY else measured(mode, services, seconds)
        os.write(writer, json.dumps(found).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        data = pipe.read()
    if os.wait()[1] or not data:
        raise SystemExit(f"{mode} among {services} services could not be measured: run as root, see above")
    return json.loads(data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--modes", default="nftables,ebpf,iptables")
    parser.add_argument("--services", default="10,1000,10000")
    parser.add_argument("--seconds", type=float, default=3)
    arguments = parser.parse_args()
    columns = [(mode, int(count)) for count in arguments.services.split(",") for mode in arguments.modes.split(",")]
    results = {column: apart(*column, arguments.seconds) for column in columns}
    print(" " * 36 + "".join(f"{f'{mode} {count:,}':>21}" for mode, count in columns))
    for row in dict.fromkeys(row for found in results.values() for row in found):
        figures = [results[column].get(row) for column in columns]
        print(f"{row:36}" + "".join(f"{'-':>21}" if one is None else f"{one:21.3f}" for one in figures))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
