"""Pods' network: throughput from pod to pod beside a bare veth pair, and how soon a node that joins is reached.

usage: bench/podnetwork.py [--seconds S] [--nodes N]

Two nodes and their pods are network namespaces made for the purpose; needs root. One TCP connection, its sender and its
receiver a process each. The convergence figure is the time from the API's event to the last entry in the kernel, for
one node that joins among N.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import random
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from calibrator import UPSTREAM_MACHINE, measure
from report import Row, show

from sampan.aio.clock import SystemClock
from sampan.aio.tasks import TaskOwner
from sampan.api.kinds import core_v1, meta_v1
from sampan.client.informers import Informers
from sampan.cluster.switch import Outlet, enter
from sampan.network.routes import direct, vxlan
from sampan.network.routes.component import PodRoutes
from sampan.network.routes.entries import ordered
from sampan.network.routes.kernel import Kernel
from sampan.network.routes.peers import Peer
from sampan.testing.fakeapi import FakeApi

PORT, BLOCK = 5201, 1 << 20
ONE = Peer(name="one", addresses=("198.51.100.1",), ranges=("10.244.1.0/24",))
OTHER = Peer(name="other", addresses=("198.51.100.2",), ranges=("10.244.2.0/24",))
PODS = {"a": ("one", "10.244.1.2"), "b": ("one", "10.244.1.3"), "c": ("other", "10.244.2.2")}
PREFIX = "sampan-bench"


def ip(*words: str) -> None:
    subprocess.run(("ip", *words), check=True, capture_output=True)


def outlet(name: str) -> Outlet:
    return Outlet(namespace=f"{PREFIX}-{name}", cable="", address="")


@contextlib.contextmanager
def machines() -> Iterator[None]:
    """Two nodes on one cable; pods a and b on one, c on the other; x and y on a bare veth pair."""
    names = ("one", "other", *PODS, "x", "y")
    for name in names:
        ip("netns", "add", f"{PREFIX}-{name}")
    try:
        pair("one", f"{ONE.addresses[0]}/24", "other", f"{OTHER.addresses[0]}/24")
        pair("x", "192.0.2.1/24", "y", "192.0.2.2/24")
        for pod, (node, address) in PODS.items():
            attach(node, pod, address)
        yield
    finally:
        for name in names:
            ip("netns", "delete", f"{PREFIX}-{name}")


def pair(one: str, address: str, other: str, its: str) -> None:
    first, second = f"{PREFIX}-{one}", f"{PREFIX}-{other}"
    ip("-n", first, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", second)
    for name, each in ((first, address), (second, its)):
        ip("-n", name, "addr", "add", each, "dev", "eth0")
        ip("-n", name, "link", "set", "eth0", "up")


def attach(node: str, pod: str, address: str) -> None:
    """As the ptp plugin does: a routed pair."""
    host, inside, gateway = f"{PREFIX}-{node}", f"{PREFIX}-{pod}", "169.254.1.1"
    ip("-n", host, "link", "add", f"v{pod}", "type", "veth", "peer", "name", "eth0", "netns", inside)
    ip("-n", host, "addr", "add", f"{gateway}/32", "dev", f"v{pod}")
    ip("-n", host, "link", "set", f"v{pod}", "up")
    ip("-n", host, "route", "add", f"{address}/32", "dev", f"v{pod}")
    ip("-n", inside, "addr", "add", f"{address}/32", "dev", "eth0")
    ip("-n", inside, "link", "set", "eth0", "up")
    ip("-n", inside, "route", "add", gateway, "dev", "eth0")
    ip("-n", inside, "route", "add", "default", "via", gateway)
    subprocess.run(("ip", "netns", "exec", host, "sysctl", "-qw", "net.ipv4.ip_forward=1"), check=True)


def connect_nodes(tunnel: bool) -> None:
    """Runs in a child each: the kernel's tables of both nodes."""
    for own, other in ((ONE, OTHER), (OTHER, ONE)):
        run_inside(own.name, fill, own, other, tunnel)


def fill(own: Peer, other: Peer, tunnel: bool) -> None:
    kernel = Kernel()
    for entry in kernel.held():
        kernel.delete(entry)
    if tunnel:
        kernel.ensure(vxlan.device(own, 1500), [vxlan.inner_address(cidr) for cidr in own.ranges])
    for entry in ordered(vxlan.entries(other, other.ranges) if tunnel else direct.entries(other)):
        kernel.add(entry)


def run_inside(name: str, work: object, *arguments: object) -> None:
    child = multiprocessing.Process(target=inside, args=(name, work, *arguments))
    child.start()
    child.join()
    if child.exitcode:
        raise SystemExit(f"the benchmark's part in {name} failed")


def inside(name: str, work: object, *arguments: object) -> None:
    enter(outlet(name))
    work(*arguments)  # type: ignore[operator]


def throughput(source: str, target: str, address: str, seconds: float) -> float:
    """Megabytes per second over one connection."""
    told, tell = multiprocessing.Pipe(duplex=False)
    receiver = multiprocessing.Process(target=inside, args=(target, receive, tell))
    receiver.start()
    told.recv()
    sender = multiprocessing.Process(target=inside, args=(source, send, address, seconds))
    sender.start()
    total, took = told.recv()
    for process in (sender, receiver):
        process.join()
    return float(total / took / 1e6)


def receive(tell: object) -> None:
    with socket.create_server(("0.0.0.0", PORT)) as server:
        tell.send("ready")  # type: ignore[attr-defined]
        connection, _ = server.accept()
        with connection:
            buffer, total, began = bytearray(BLOCK), 0, time.perf_counter()
            while count := connection.recv_into(buffer):
                total += count
            tell.send((total, time.perf_counter() - began))  # type: ignore[attr-defined]


def send(address: str, seconds: float) -> None:
    block, end = bytes(BLOCK), time.perf_counter() + seconds
    with socket.create_connection((address, PORT)) as client:
        while time.perf_counter() < end:
            client.sendall(block)


def node(number: int) -> object:
    return core_v1.Node(
        metadata=meta_v1.ObjectMeta(name=f"n{number}"),
        spec=core_v1.NodeSpec(podCIDRs=[f"10.{number >> 8}.{number & 255}.0/24"]),
        status=core_v1.NodeStatus(addresses=[core_v1.NodeAddress(type="InternalIP", address="198.51.100.2")]),
    )


async def convergence(nodes: int) -> float:
    """Seconds from a node's event to its route, with so many other nodes."""
    clock, rng, kernel = SystemClock(), random.Random(1), Kernel()
    api = FakeApi(clock)
    api.add(*(node(number) for number in range(1, nodes)))
    informers = Informers(api, clock, rng)
    async with TaskOwner("bench") as owner:
        informers.start(owner)
        routes = PodRoutes(informers=informers, clock=clock, rng=rng, node_name="here", tables=kernel)
        owner.start(routes.run, name="routes")
        while routes.statistics()["entries"] < nodes - 1:
            await clock.sleep(0.05)
        began = time.perf_counter()
        api.add(node(nodes))
        while routes.statistics()["entries"] < nodes:
            await clock.sleep(0)
        return time.perf_counter() - began


def converge(nodes: int, result: object) -> None:
    result.send(asyncio.run(convergence(nodes)))  # type: ignore[attr-defined]


def joined(nodes: int) -> float:
    told, tell = multiprocessing.Pipe(duplex=False)
    run_inside("one", converge, nodes, tell)
    return float(told.recv())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--nodes", type=int, default=1000)
    arguments = parser.parse_args()
    if not Path("/run/netns").exists():
        Path("/run/netns").mkdir(parents=True)
    calibration = measure() / UPSTREAM_MACHINE
    with machines():
        bare = throughput("x", "y", "192.0.2.2", arguments.seconds)
        same = throughput("a", "b", PODS["b"][1], arguments.seconds)
        connect_nodes(tunnel=False)
        straight = throughput("a", "c", PODS["c"][1], arguments.seconds)
        connect_nodes(tunnel=True)
        tunnel = throughput("a", "c", PODS["c"][1], arguments.seconds)
        soon = joined(arguments.nodes)
    share = {"pods of one node": same, "of two nodes, direct": straight, "of two nodes, VXLAN": tunnel}
    goals = (0.7, 0.5, 0.2)
    rows = [
        Row(f"{what}, share of a bare veth pair", f"{bare:,.0f} MB/s", goal, figure / bare, "1/s", scaled=False)
        for (what, figure), goal in zip(share.items(), goals, strict=True)
    ]
    rows.append(Row(f"route to a node that joins {arguments.nodes} others", "-", 1.0, soon, "s"))
    show(rows, calibration)


if __name__ == "__main__":
    main()
