"""A Deployment behind a Service: reached from everywhere, scaled, updated, healed."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from .harness import Cluster, fetch, is_ready, run, until
from .manifests import deployment, script, service


@pytest.fixture
def web(cluster: Cluster, namespace: str) -> dict[str, Any]:
    """The Service of three ready sample pods."""
    cluster.apply(deployment("web"), service("web"))
    cluster.ready_pods("app=web", 3)
    found: dict[str, Any] = cluster.get("service", "web")
    return found


def hosts_behind(url: str, wanted: set[str]) -> set[str]:
    """The pods that answered at an address, asked until all that are wanted have."""
    seen: set[str] = set()

    def look() -> bool:
        seen.add(fetch(url).split()[2].rstrip(","))
        return seen >= wanted

    until(look, f"answers from {wanted} at {url}, so far {seen}")
    return seen


def names(pods: list[dict[str, Any]]) -> set[str]:
    return {pod["metadata"]["name"] for pod in pods}


def test_all_pods_answer_at_the_cluster_address_and_the_node_port(cluster: Cluster, web: dict[str, Any]) -> None:
    wanted = names(cluster.pods("app=web"))
    node = cluster.get("nodes")["items"][0]["status"]["addresses"][0]["address"]
    for url in (
        f"http://{web['spec']['clusterIP']}/",
        f"http://{node}:{web['spec']['ports'][0]['nodePort']}/",
    ):
        assert hosts_behind(url, wanted) == wanted


def test_all_pods_answer_by_dns_name_from_inside_a_pod(cluster: Cluster, namespace: str, web: dict[str, Any]) -> None:
    wanted = names(cluster.pods("app=web"))
    asks = "\n".join(
        f"wget -qO- http://{name}/" for name in ("web", f"web.{namespace}", f"web.{namespace}.svc.cluster.local")
    )
    cluster.apply(script("asker", f"for i in $(seq 20); do {asks.replace(chr(10), '; ')}; done"))
    cluster.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/asker", "--timeout=60s")
    lines = cluster.kubectl("logs", "asker").stdout.splitlines()
    assert {line.split()[2].rstrip(",") for line in lines} == wanted
    assert len(lines) == 60


def test_a_pod_reaches_itself_through_its_service(cluster: Cluster, namespace: str) -> None:
    cluster.apply(deployment("solo", replicas=1), service("solo"))
    (pod,) = cluster.ready_pods("app=solo", 1)
    me = pod["metadata"]["name"]
    address = cluster.get("service", "solo")["spec"]["clusterIP"]
    netns = container_pid(cluster, pod)
    ask = ["nsenter", "-t", str(netns), "-n", "curl", "-s", "--max-time", "5", f"http://{address}/"]
    # A pod that is ready has its place in the rules a moment later.
    until(lambda: me in run(ask, check=False).stdout, "the pod itself answers", seconds=10)


def test_scale_to_twenty_and_back(cluster: Cluster, web: dict[str, Any]) -> None:
    cluster.kubectl("scale", "deployment", "web", "--replicas", "20")
    pods = cluster.ready_pods("app=web", 20, seconds=120)
    assert len({pod["status"]["podIP"] for pod in pods}) == 20
    endpoints = until(lambda: addresses(cluster, 20), "20 endpoints")
    assert endpoints == {pod["status"]["podIP"] for pod in pods}
    cluster.kubectl("scale", "deployment", "web", "--replicas", "3")
    cluster.ready_pods("app=web", 3)
    until(lambda: addresses(cluster, 3), "3 endpoints")
    until(lambda: len(cluster.get("pods", "-l", "app=web")["items"]) == 3, "the surplus pods are gone")


def addresses(cluster: Cluster, count: int) -> set[str] | None:
    """The ready addresses of the Service's endpoint slices, once there are that many."""
    slices = cluster.get("endpointslices", "-l", "kubernetes.io/service-name=web")["items"]
    found = {a for s in slices for e in s["endpoints"] if e["conditions"]["ready"] for a in e["addresses"]}
    return found if len(found) == count else None


class Load:
    """Requests through the Service, one after another from two threads, each on a new connection."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: list[str] = []
        self.failures: list[str] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(2)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        while not self._stop.is_set():
            try:
                self.answers.append(fetch(self.url, seconds=5))
            except OSError as error:
                self.failures.append(f"{time.time():.3f} {error}")


def test_a_rolling_update_loses_no_request(cluster: Cluster, web: dict[str, Any]) -> None:
    with Load(f"http://{web['spec']['clusterIP']}/") as load:
        until(lambda: len(load.answers) > 20, "some answers of version 1")
        cluster.kubectl("set", "image", "deployment/web", "web=sampan.dev/sample:2")
        cluster.kubectl("rollout", "status", "deployment/web", "--timeout=120s")
        count = len(load.answers)
        until(lambda: len(load.answers) > count + 20, "some answers of version 2")
    assert load.failures == []
    assert "version 1" in load.answers[0] and "version 2" in load.answers[-1]


def test_a_killed_container_is_restarted_and_counted(cluster: Cluster, web: dict[str, Any]) -> None:
    victim = cluster.pods("app=web")[0]
    run(["kill", "-9", str(container_pid(cluster, victim))])

    def restarted() -> bool:
        pod = cluster.get("pod", victim["metadata"]["name"])
        status = pod["status"]["containerStatuses"][0]
        return status["restartCount"] == 1 and is_ready(pod) and status["lastState"]["terminated"]["exitCode"] == 137

    until(restarted, "the container runs again, restart count 1")
    assert cluster.get("pod", victim["metadata"]["name"])["metadata"]["uid"] == victim["metadata"]["uid"]


def test_a_deleted_pod_is_replaced(cluster: Cluster, web: dict[str, Any]) -> None:
    victim = cluster.pods("app=web")[0]["metadata"]["name"]
    cluster.kubectl("delete", "pod", victim, "--wait=false")
    pods = cluster.ready_pods("app=web", 3)
    assert victim not in names(pods)


def container_pid(cluster: Cluster, pod: dict[str, Any]) -> int:
    """The first process of a pod's first container, on this machine."""
    container = pod["status"]["containerStatuses"][0]["containerID"].removeprefix("containerd://")
    socket = cluster.data_dir / "containerd" / "containerd.sock"
    listing = run(["ctr", "--address", str(socket), "--namespace", "k8s.io", "tasks", "list"]).stdout
    return next(int(line.split()[1]) for line in listing.splitlines() if line.startswith(container))
