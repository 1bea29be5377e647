"""Requests to a Service all the time, while its pods are replaced, and while one of its nodes dies."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ..cluster.harness import run, until
from ..cluster.manifests import deployment, service
from .conftest import INGRESS
from .load import Load
from .pairs import Pods
from .test_nodes import readdressed
from .world import World

NOTICED_SECONDS = 3.0
"""Requests that begin this long after a node's death do not fail. Until it is noticed those may that are led there."""
PATIENT_SECONDS = 20.0
PIN = "sha256:" + "0" * 64
"""Of no authority: a machine that has joined before asks for none."""


@pytest.fixture(scope="module")
def clients(world: World) -> Iterator[Pods]:
    world.apply(world.pod("asker", 2))
    found = Pods(world, [("default", "asker")])
    yield found
    found.close()
    world.kubectl("delete", "pod", "asker", "--wait=false")


def headless() -> dict[str, Any]:
    made = service("kept", type="ClusterIP", clusterIP="None")
    made["metadata"]["name"] = "kept-headless"
    return made


@contextmanager
def load(world: World, clients: Pods, name: str) -> Iterator[list[Load]]:
    """On a Service's cluster address from the first node and from a pod on the second, on the first's node port, and
    by a client who waits for long, and on the Ingress that leads there."""
    spec = world.get("service", name)["spec"]
    node_port = ("172.31.254.1", int(spec["ports"][0]["nodePort"]))
    inside = clients.file("asker")
    cluster = (spec["clusterIP"], 80)
    world.apply(ingress(name))
    until(lambda: world.get("ingress", name)["status"].get("loadBalancer"), "the Ingress is taken up")
    patient = Load(*cluster, seconds=PATIENT_SECONDS)
    by_name = Load("172.31.254.1", INGRESS[0], seconds=PATIENT_SECONDS)
    running = [Load(*cluster), Load(*cluster, inside), Load(*node_port, inside), by_name, patient]
    try:
        for each in running:
            until(lambda one=each: len(one.requests) > 5 and not one.failures(one.requests[-3].begun), "answers")
        yield running
    finally:
        for each in running:
            each.stop()
        world.kubectl("delete", "ingress", name)


def ingress(service: str) -> dict[str, Any]:
    backend = {"service": {"name": service, "port": {"number": 80}}}
    metadata, spec = {"name": service}, {"ingressClassName": "sampan", "defaultBackend": backend}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec}


def web(version: str = "1") -> dict[str, Any]:
    """Pods that go on serving for two seconds after they were told to end, as an application's author would ask for."""
    made = deployment("rolled")
    template = made["spec"]["template"]
    template["metadata"]["annotations"] = {"version": version}
    template["spec"]["containers"][0]["lifecycle"] = {"preStop": {"sleep": {"seconds": 2}}}
    made["spec"]["strategy"] = {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    return made


def test_a_rolling_update_fails_no_request(world: World, clients: Pods) -> None:
    world.apply(web(), service("rolled"))
    world.kubectl("rollout", "status", "deployment", "rolled")
    old = {pod["metadata"]["name"] for pod in world.get("pods", "-l", "app=rolled")["items"]}
    with load(world, clients, "rolled") as loads:
        begun = time.monotonic()
        world.apply(web(version="2"))
        world.kubectl("rollout", "status", "deployment", "rolled")

        def replaced() -> bool:
            return not old & {pod["metadata"]["name"] for pod in world.get("pods", "-l", "app=rolled")["items"]}

        until(replaced, "the old pods are gone")
    assert [each.failures(begun) for each in loads] == [[]] * len(loads)
    world.kubectl("delete", "deployment,service", "rolled", "--wait=false")


@pytest.fixture(scope="module")
def kept(world: World) -> Iterator[str]:
    """A Service with a pod on each node, which stay where they are."""
    names = [f"kept-{number}" for number in (1, 2, 3)]
    pods = [world.pod(name, number, labels={"app": "kept"}) for number, name in enumerate(names, 1)]
    world.apply(*pods, service("kept"), headless())
    for name in names:
        world.address(name)
    yield "kept"
    world.kubectl("delete", "service", "kept", "kept-headless")
    world.kubectl("delete", "pod", *names, "--wait=false")


def serves(world: World, name: str) -> None:
    """Waits until that pod is among those that answer for the Service."""
    until(lambda: name in world.asks("asker", "http://kept/"), f"the Service leads to {name}")


def test_a_node_that_is_cut_off_is_left_out_and_led_to_again(world: World, clients: Pods, kept: str) -> None:
    """What is cut off itself leaves nobody out: to it, all others have fallen silent together."""
    serves(world, "kept-3")
    with world.cut_off(3):
        for number in (1, 2):
            until(lambda n=number: unreachable(world, n) == [world.names[3]], f"node {number} leaves it out")
        with load(world, clients, kept) as loads:
            for each in loads:
                until(lambda one=each: len(one.requests) > 30, "thirty requests")
        assert [each.failures() for each in loads] == [[]] * len(loads)
        assert unreachable(world, 3) == []
        assert named(world) == {1, 2}
    serves(world, "kept-3")
    until(lambda: named(world) == {1, 2, 3}, "the headless Service leads there, too")
    assert unreachable(world, 1) == []


def named(world: World) -> set[int]:
    """The nodes of the pods that the headless Service leads to."""
    answer = world.kubectl("exec", "asker", "--", "nslookup", "kept-headless.default.svc.cluster.local").stdout
    return {number for number in (1, 2, 3) if f" {world.address(f'kept-{number}')}\n" in answer}


def unreachable(world: World, number: int) -> list[str]:
    """The nodes that a node's proxy leaves out."""
    found = json.loads(world.fetch(number, "http://127.0.0.1:10249/statusz"))["unreachableNodes"]
    return [str(name) for name in found]


def test_a_dead_nodes_endpoints_are_left_out_long_before_the_cluster_misses_it(
    world: World, clients: Pods, kept: str
) -> None:
    with load(world, clients, kept) as loads:
        world.machine(3).kill()
        died = time.monotonic()
        for each in loads:
            until(lambda one=each: one.asked_until(died + NOTICED_SECONDS + 3), "requests go on")
        assert world.ready(3), "the API's nodes are of no help yet"
    assert [each.failures(died + NOTICED_SECONDS) for each in loads] == [[]] * len(loads)
    assert all(failure.connected for failure in loads[-1].failures()), "who waits is led elsewhere"


def test_a_node_that_died_comes_back_with_another_address(world: World, clients: Pods, kept: str) -> None:
    machine, place, other = world.machine(3), world.places[3], "172.31.254.33"
    until(lambda: not machine.processes(), "nothing of it runs")
    machine.mend()
    readdressed(world, 3, other)
    again = [other if word == place.address else word for word in place.join("https://172.31.254.1:6443", PIN)]
    run([word for word in again if word not in ("--token-file", "-")])
    until(lambda: world.get("node", place.name)["status"]["addresses"][0]["address"] == other, "it says so")
    until(lambda: world.asks("asker", f"http://{world.address('kept-3')}:8080/"), "its pods are reached there")
    until(lambda: world.asks("kept-3", "http://kept/"), "they reach others, and the API server reaches its kubelet")
    serves(world, "kept-3")


def test_a_node_that_died_is_started_anew(world: World, clients: Pods, kept: str) -> None:
    """By `sampan up`, at the address it had at first."""
    world.machine(3).kill()
    until(lambda: not world.machine(3).processes(), "nothing of it runs")
    world.machine(3).mend()
    readdressed(world, 3, world.places[3].address)
    assert f"{world.names[3]} joined; {world.names[2]} runs already" in world.up("--nodes", "3", "--no-sample")
    until(lambda: world.asks("asker", f"http://{world.address('kept-3')}:8080/"), "its pod is reached again")
    serves(world, "kept-3")
