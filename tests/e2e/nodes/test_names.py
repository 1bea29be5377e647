"""The cluster's names (DNS specification v1.1), asked of the cluster's DNS by every node and by a pod, both ways."""

from __future__ import annotations

import socket
import struct
from pathlib import Path

import dnslib

from sampan.cluster.switch import NAMESPACES

from ..cluster.harness import until
from .load import HOST
from .pairs import Pods
from .test_service_ports import opened
from .world import World

SERVER = ("10.96.0.10", 53)
ZONE = "default.svc.cluster.local"
PORTS = [{"name": "http", "port": 80, "targetPort": "http"}]


def service(name: str, **spec: object) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def ask(network: Path, name: str, kind: str, *, tcp: bool) -> set[str]:
    """What stands in the answer, or the code of a refusal."""
    query = bytes(dnslib.DNSRecord.question(name, kind).pack())
    with opened(network, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as client:
        client.connect(SERVER)
        client.send(struct.pack(">H", len(query)) + query if tcp else query)
        answer = client.recv(4096)[2 if tcp else 0 :]
    parsed = dnslib.DNSRecord.parse(answer)
    return {str(each.rdata) for each in parsed.rr} or {str(dnslib.RCODE[parsed.header.rcode])}


def reverse(address: str) -> str:
    return ".".join(reversed(address.split("."))) + ".in-addr.arpa"


def test_records_as_every_node_and_a_pod_read_them(world: World) -> None:
    headless = {"clusterIP": "None", "selector": {"set": "named"}, "ports": [PORTS[0] | {"port": 8080}]}
    named = world.pod("named-pod", 2, labels={"set": "named"}, hostname="first", subdomain="crew")
    world.apply(
        named, world.pod("reader", 3), service("plain", selector={"set": "named"}, ports=PORTS),
        service("crew", **headless), service("away", type="ExternalName", externalName=f"plain.{ZONE}"),
    )  # fmt: skip
    pod, plain = world.address("named-pod"), str(world.get("service", "plain")["spec"]["clusterIP"])
    wanted = {
        (f"plain.{ZONE}", "A"): {plain},
        (f"_http._tcp.plain.{ZONE}", "SRV"): {f"0 100 80 plain.{ZONE}."},
        (reverse(plain), "PTR"): {f"plain.{ZONE}."},
        (f"crew.{ZONE}", "A"): {pod},
        (f"first.crew.{ZONE}", "A"): {pod},
        (f"_http._tcp.crew.{ZONE}", "SRV"): {f"0 100 8080 first.crew.{ZONE}."},
        (reverse(pod), "PTR"): {f"first.crew.{ZONE}."},
        (f"{pod.replace('.', '-')}.default.pod.cluster.local", "A"): {pod},
        (f"away.{ZONE}", "A"): {f"plain.{ZONE}.", plain},
        (f"away.{ZONE}", "CNAME"): {f"plain.{ZONE}."},
        (f"nobody.{ZONE}", "A"): {"NXDOMAIN"},
        (f"plain.{ZONE}.{ZONE}", "A"): {"NXDOMAIN"},
        (f"plain.{ZONE}", "MX"): {"NOERROR"},
        ("dns-version.cluster.local", "TXT"): {'"1.1.0"'},
    }
    files = [NAMESPACES / world.places[number].outlet.namespace for number in (2, 3)]
    for network in (HOST, *files, Pods(world, [("default", "reader")]).file("reader")):
        for (name, kind), records in wanted.items():
            for tcp in (False, True):
                until(lambda: ask(network, name, kind, tcp=tcp) == records, f"{name} {kind} {records} at {network}")  # noqa: B023
    for short in ("plain", "plain.default", "plain.default.svc", "first.crew"):
        assert "hello" in world.asks("reader", f"http://{short}{':8080' if 'crew' in short else ''}/").lower(), short
    world.kubectl("delete", "service", "plain", "crew", "away", "--wait=false")
    world.kubectl("delete", "pod", "named-pod", "reader", "--wait=false")
