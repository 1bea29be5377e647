"""Services by IPVS on Debian's kernel, and the way back to nftables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ..cluster.harness import until
from ..cluster.manifests import script
from ..patience import FACTOR
from .machine import Debian, leftovers, output

POLICY = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "friends"},
    "spec": {
        "podSelector": {"matchLabels": {"app": "hello"}},
        "ingress": [{"from": [{"podSelector": {"matchLabels": {"friend": "yes"}}}]}],
    },
}

# Not wget -T: Debian's busybox 1.35 crashes on it.
ASK = f"until timeout {2 * FACTOR:.0f} wget -qO- http://hello.default/; do echo nothing; sleep 1; done"


@pytest.fixture(scope="module")
def cluster(debian: Debian) -> Iterator[Debian]:
    debian.up("--proxy-mode", "ipvs")
    yield debian


def test_requests_are_balanced_by_the_kernel(cluster: Debian) -> None:
    address = cluster.cluster_ip("hello")
    cluster.answers(f"http://{address}/")
    cluster.answers(f"http://{cluster.node_ip()}:{cluster.node_port('hello')}/")
    rules = output("ipvsadm", "-Sn").splitlines()
    assert f"-A -t {address}:80 -s rr" in rules
    pods = {pod["status"]["podIP"] for pod in cluster.ready_pods("app=hello", 3)}
    assert {f"-a -t {address}:80 -r {pod}:8080 -m -w 1" for pod in pods} <= {*rules}
    assert f" {address}/32 " in output("ip", "-o", "addr", "show", "dev", "kube-ipvs0")


def test_policies_hold_behind_it(cluster: Debian) -> None:
    def ask(name: str, labels: dict[str, str]) -> dict[str, Any]:
        asking = script(name, f"{ASK}; sleep 100000")
        asking["metadata"]["labels"] = labels
        return asking

    cluster.apply(POLICY, ask("friend", {"friend": "yes"}), ask("stranger", {}))
    until(lambda: "Hello from" in cluster.kubectl("logs", "friend").stdout, "a friend is answered")
    until(lambda: "nothing" in cluster.kubectl("logs", "stranger").stdout, "a stranger's request is dropped")
    assert "Hello" not in cluster.kubectl("logs", "stranger").stdout


def test_another_mode_takes_all_of_it_away(cluster: Debian) -> None:
    cluster.down("--keep-data")
    assert not leftovers()
    cluster.up("--proxy-mode", "nftables")
    cluster.answers(f"http://{cluster.cluster_ip('hello')}/")
    assert output("ipvsadm", "-Sn") == "" and "kube-ipvs0" not in output("ip", "-br", "link")
