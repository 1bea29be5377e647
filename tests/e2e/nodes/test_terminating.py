"""A Service whose last pod is on its way out: it serves until it is gone, and then the Service refuses at once."""

from __future__ import annotations

import time

import pytest

from sampan.cluster.switch import NAMESPACES

from ..cluster.harness import until
from ..network.world import inside_file
from .load import HOST
from .pairs import Pods
from .test_service_ports import opened
from .world import World

LINGERS = 4
"""Seconds that the pod goes on after it is told to end."""
NAMES = ("leaving", "leaving-local")


def service(name: str, **spec: str) -> dict[str, object]:
    wanted = {"selector": {"app": "leaving"}, "ports": [{"port": 80, "targetPort": "http"}], **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": wanted}


def test_the_last_pod_serves_while_it_ends(world: World) -> None:
    pod = world.pod("leaving", 2, terminationGracePeriodSeconds=LINGERS + 4)
    pod["spec"]["containers"][0]["lifecycle"] = {"preStop": {"sleep": {"seconds": LINGERS}}}
    local = service("leaving-local", type="NodePort", externalTrafficPolicy="Local")
    world.apply(pod, world.pod("stays", 3), service("leaving"), local)
    pods = Pods(world, [("default", "stays")])
    clients = [HOST, *(NAMESPACES / world.places[n].outlet.namespace for n in (2, 3)), pods.file("stays")]
    spec = {name: world.get("service", name)["spec"] for name in NAMES}
    address, port = spec["leaving"]["clusterIP"], spec["leaving-local"]["ports"][0]["nodePort"]
    places = [(network, address, 80) for network in clients] + [(HOST, "172.31.254.2", port)]

    def answered(place: tuple[object, str, int]) -> bool:
        with opened(place[0]) as client:  # type: ignore[arg-type]
            client.connect(place[1:])
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return b" 200 " in client.recv(1000)

    for each in places:
        until(lambda p=each: answered(p), f"{each[1:]} answers")
    world.kubectl("delete", "pod", "leaving", "--wait=false")

    def terminating() -> bool:
        slices = world.get("endpointslices", "-l", "kubernetes.io/service-name=leaving")["items"]
        return any(one["conditions"].get("terminating") for each in slices for one in each.get("endpoints") or ())

    until(terminating, "the endpoint is told to end")
    for _ in range(3):
        assert all(answered(each) for each in places), "what ends still serves, for there is no other"
    until(lambda: "leaving" not in world.kubectl("get", "pods", "-o", "name").stdout, "it is gone")
    for each in places[:-1]:
        until(lambda p=each: refused(p), f"{each[1:]} refuses")
    world.kubectl("delete", "service", *NAMES, "--wait=false")
    world.kubectl("delete", "pod", "stays", "--wait=false")


def refused(place: tuple[object, str, int]) -> bool:
    """At once: nobody waits for a packet that is lost."""
    began = time.monotonic()
    with inside_file(HOST), opened(place[0]) as client, pytest.raises(ConnectionRefusedError):  # type: ignore[arg-type]
        client.connect(place[1:])
    return time.monotonic() < began + 0.5
