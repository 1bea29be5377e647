"""Requests to a Service all the time, while its pods are replaced, and while one of its nodes dies."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ..cluster.harness import until
from ..cluster.manifests import deployment, service
from .load import Load
from .pairs import Pods
from .world import World

NOTICED_SECONDS = 3.0
"""Requests that begin this long after a node's death do not fail. Until it is noticed those may that are led there."""
PATIENT_SECONDS = 20.0


@pytest.fixture(scope="module")
def clients(world: World) -> Iterator[Pods]:
    world.apply(world.pod("asker", 2))
    found = Pods(world, [("default", "asker")])
    yield found
    found.close()
    world.kubectl("delete", "pod", "asker", "--wait=false")


@contextmanager
def load(world: World, clients: Pods, name: str) -> Iterator[list[Load]]:
    """On a Service's cluster address from the first node and from a pod on the second, on the first's node port, and
    by a client who waits for long."""
    spec = world.get("service", name)["spec"]
    node_port = ("172.31.254.1", int(spec["ports"][0]["nodePort"]))
    inside = clients.file("asker")
    cluster = (spec["clusterIP"], 80)
    patient = Load(*cluster, seconds=PATIENT_SECONDS)
    running = [Load(*cluster), Load(*cluster, inside), Load(*node_port, inside), patient]
    try:
        for each in running:
            until(lambda one=each: len(one.requests) > 5 and not one.failures(one.requests[-3].begun), "answers")
        yield running
    finally:
        for each in running:
            each.stop()


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
    assert [each.failures(begun) for each in loads] == [[], [], [], []]
    world.kubectl("delete", "deployment,service", "rolled", "--wait=false")


def test_a_dead_nodes_endpoints_are_left_out_long_before_the_cluster_misses_it(world: World, clients: Pods) -> None:
    world.apply(*(world.pod(f"kept-{n}", n, labels={"app": "kept"}) for n in (1, 2, 3)), service("kept"))
    for number in (1, 2, 3):
        world.address(f"kept-{number}")
    with load(world, clients, "kept") as loads:
        world.machine(3).kill()
        died = time.monotonic()
        for each in loads:
            until(lambda one=each: one.asked_until(died + NOTICED_SECONDS + 3), "requests go on")
        assert world.ready(3), "the API's nodes are of no help yet"
    assert [each.failures(died + NOTICED_SECONDS) for each in loads] == [[], [], [], []]
    assert all(failure.connected for failure in loads[-1].failures()), "who waits is led elsewhere"


def test_a_node_that_died_is_started_anew(world: World, clients: Pods) -> None:
    machine = world.machine(3)
    until(lambda: not machine.processes(), "nothing of it runs")
    machine.mend()
    assert f"{world.names[3]} joined; {world.names[2]} runs already" in world.up("--nodes", "3", "--no-sample")
    until(lambda: world.asks("asker", f"http://{world.address('kept-3')}:8080/"), "its pod is reached again")

    def served() -> bool:
        return "kept-3" in world.asks("asker", "http://kept/")

    until(served, "the Service leads there again")
    world.kubectl("delete", "service", "kept")
    world.kubectl("delete", "pod", "kept-1", "kept-2", "kept-3", "--wait=false")
