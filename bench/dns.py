"""DNS: queries answered a second and how long one takes, beside unbound, a recursive server of Debian's, with the same
names as local data, on the same machine.

usage: bench/dns.py [--seconds S]

One server process at a time, one client process with 64 queries under way; it is Debian's dnsperf where that is
installed, and this program's own otherwise. Needs root: runs in a network namespace of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import os
import random
import re
import shutil
import socket
import struct
import subprocess
import tempfile
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

CLONE_NEWNET = 0x40000000
NAMES = 1000
OURS, UNBOUND = 5300, 5301


def names(seconds: float) -> Iterator[Row]:
    """Ours, then unbound where it is installed."""
    reader, writer = os.pipe()
    client = os.fork()
    if client == 0:
        os.close(reader)
        os.write(writer, repr(asking(OURS, seconds)).encode())
        os._exit(0)
    os.close(writer)
    uvloop.run(serve(reader))
    rate, p99 = eval(os.read(reader, 1000))
    os.waitpid(client, 0)
    yield Row("DNS, cluster names, queries/s", "33,700/s on 2 vCPU", 40_000, rate, "1/s")
    yield Row("DNS, p99 with 64 queries under way, ms", "", 5, p99 * 1e3, "ms")
    if shutil.which("unbound"):
        rate, p99 = by_unbound(seconds)
        yield Row("unbound, the same names, queries/s", "", 0, rate, "1/s")
        yield Row("unbound, p99, ms", "", 1000, p99 * 1e3, "ms")


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
        await listener.open("127.0.0.1", OURS)
        done = asyncio.Event()
        asyncio.get_running_loop().add_reader(until_written, done.set)
        await done.wait()
        asyncio.get_running_loop().remove_reader(until_written)
        listener.close()


def by_unbound(seconds: float) -> tuple[float, float]:
    """One thread, names from its configuration, nobody else asked."""
    data = [f'local-data: "{name(number)}. 5 IN A 10.96.{number // 250}.{number % 250}"' for number in range(NAMES)]
    lines = [
        "server:", f"port: {UNBOUND}", "interface: 127.0.0.1", "do-daemonize: no", 'chroot: ""', 'username: ""',
        'pidfile: ""', "use-syslog: no", "num-threads: 1", 'local-zone: "cluster.local." static', *data,
        "remote-control:", "control-enable: no",
    ]  # fmt: skip
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write("\n".join(lines))
        file.flush()
        server = subprocess.Popen(("unbound", "-c", file.name), stderr=subprocess.DEVNULL)
        try:
            return asking(UNBOUND, seconds)
        finally:
            server.terminate()
            server.wait()


def asking(port: int, seconds: float) -> tuple[float, float]:
    """Queries answered a second, and the 99th percentile of the seconds one took."""
    own = asking_by_ourselves(port, min(seconds, 1) if shutil.which("dnsperf") else seconds)
    return asking_by_dnsperf(port, seconds, own[1]) if shutil.which("dnsperf") else own


def asking_by_dnsperf(port: int, seconds: float, p99: float) -> tuple[float, float]:
    """dnsperf tells no percentile: that is our own client's."""
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("".join(f"{name(number)} A\n" for number in range(NAMES)))
        file.flush()
        command = ("dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", file.name, "-l", str(seconds), "-q", "64")
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"Queries per second:\s+([0-9.]+)", output)
    assert found, output
    return float(found[1]), p99


def name(number: int) -> str:
    return f"s{number}.default.svc.cluster.local"


def asking_by_ourselves(port: int, seconds: float) -> tuple[float, float]:
    """The same, by a client of our own."""
    queries = [
        struct.pack(">H", number) + bytes(dnslib.DNSRecord.question(f"s{number}.default.svc.cluster.local").pack())[2:]
        for number in range(NAMES)
    ]
    sent = [0.0] * NAMES
    taken: list[float] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", port))
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
    parser.add_argument("--seconds", type=float, default=5)
    arguments = parser.parse_args()
    calibration = measure() / UPSTREAM_MACHINE
    if ctypes.CDLL(None).unshare(CLONE_NEWNET):
        raise SystemExit("run as root: needs a network namespace of its own")
    subprocess.run(("ip", "link", "set", "lo", "up"), check=True)
    show(list(names(arguments.seconds)), calibration)


if __name__ == "__main__":
    main()
