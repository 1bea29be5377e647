"""Three servers and one node: what dies comes back, and nothing that was acknowledged is lost."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from sampan.cluster.supervision.processes import Record
from sampan.store.backup import Reader

from ..cluster.harness import SAMPAN, Cluster, fetch, run, until
from ..cluster.manifests import deployment, service
from ..cluster.test_up_down import leftovers

LEASES = ("kube-controller-manager", "kube-scheduler")


@pytest.fixture(scope="module")
def web(cluster: Cluster) -> dict[str, Any]:
    """A workload behind a Service."""
    cluster.apply(deployment("web", replicas=2), service("web"))
    cluster.ready_pods("app=web", 2)
    found: dict[str, Any] = cluster.get("service", "web")
    return found


_numbers = itertools.count()


@contextmanager
def writing(cluster: Cluster) -> Iterator[list[str]]:
    """Somebody creates configmaps all the while; the list grows by each that was acknowledged, and all are there."""
    made: list[str] = []
    stop = Event()

    def write() -> None:
        while not stop.is_set():
            name = f"kept-{next(_numbers)}"
            if cluster.kubectl("create", "configmap", name, check=False).returncode == 0:
                made.append(name)

    thread = Thread(target=write)
    thread.start()
    try:
        yield made
        more = len(made) + 3
        until(lambda: len(made) >= more, "writes are acknowledged again")
    finally:
        stop.set()
        thread.join()
    present = {item["metadata"]["name"] for item in cluster.get("configmaps")["items"]}
    assert set(made) <= present


def scaled(cluster: Cluster, replicas: int) -> None:
    """The cluster still makes pods."""
    cluster.kubectl("scale", "deployment", "web", f"--replicas={replicas}")
    cluster.ready_pods("app=web", replicas)


def leader(cluster: Cluster, lease: str) -> str:
    """The name of the process that holds a lease."""
    holder = cluster.get("lease", lease, "-n", "kube-system")["spec"].get("holderIdentity", "")
    processes = {f"{entry.pid}": entry.name for entry in cluster.records.all() if entry.alive}
    return processes.get(holder.rpartition("_")[2], "")


def test_three_servers_are_there(cluster: Cluster, web: dict[str, Any]) -> None:
    shown = cluster.sampan("status").stdout
    for name in ("etcd-2", "apiserver-3", "balancer", "controllers-2", "All is well."):
        assert name in shown
    wanted = [[f"172.31.255.{host}"] for host in (2, 3, 4)]
    until(
        lambda: [each["addresses"] for each in cluster.get("endpointslice", "kubernetes")["endpoints"]] == wanted,
        "the kubernetes Service has all three",
    )
    assert "already runs" in cluster.up("--servers", "3", "--no-sample")
    assert "etcd-2" in run([*SAMPAN, "certs", "check", "--data-dir", str(cluster.data_dir)]).stdout
    log = cluster.data_dir / "log" / "agent.log"
    until(lambda: "names complete" in log.read_text(), "the cluster's DNS has seen all that it serves")
    assert "172.31.255.3" in run(["ip", "-n", "sampan-server-2", "-4", "-br", "addr"]).stdout


@pytest.mark.parametrize("name", ["apiserver-1", "etcd-2", "balancer"])
def test_a_killed_process_is_missed_by_nobody(cluster: Cluster, web: dict[str, Any], name: str) -> None:
    with writing(cluster):
        cluster.kill(name)
        scaled(cluster, 3)
    scaled(cluster, 2)
    assert "Hello" in until(lambda: fetch(f"http://{web['spec']['clusterIP']}/"), "the Service answers")
    until(lambda: cluster.sampan("status", check=False).returncode == 0, "all is well again")


def test_a_server_that_hangs_is_left_by_its_clients(cluster: Cluster, web: dict[str, Any]) -> None:
    hung = cluster.process("apiserver-2")
    hung.signal(signal.SIGSTOP)
    try:
        with writing(cluster):
            scaled(cluster, 3)
        assert "apiserver-2 (172.31.255.3) does not answer" in cluster.sampan("status", check=False).stdout
    finally:
        hung.signal(signal.SIGCONT)
    scaled(cluster, 2)


def well(cluster: Cluster) -> bool:
    """Every etcd member has a leader, says etcd itself."""
    pki = cluster.data_dir / "pki"
    files = {"cacert": "etcd-ca.crt", "cert": "apiserver-etcd-client.crt", "key": "apiserver-etcd-client.key"}
    endpoints = ",".join(f"https://172.31.255.{host}:2379" for host in (2, 3, 4))
    told = [f"--{option}={pki / file}" for option, file in files.items()]
    asked = ["etcdctl", f"--endpoints={endpoints}", *told, "endpoint", "health"]
    return run(asked, check=False, env={**os.environ, "ETCDCTL_API": "3"}).returncode == 0


def test_a_member_that_lost_its_data_gets_them_from_the_others(cluster: Cluster, web: dict[str, Any]) -> None:
    data = cluster.data_dir / "etcd" / "etcd-3"
    until(lambda: data.with_name("etcd-3.made").exists(), "the supervisor has seen that the member has data")
    with writing(cluster):
        shutil.rmtree(data)
        cluster.kill("etcd-3")
        until(lambda: well(cluster), "all members are well again")
    assert (data / "member" / "wal").is_dir()
    with writing(cluster):
        told = cluster.sampan("store replace-member", "etcd-1").stdout
        assert "starts anew with the others' data" in told
        until(lambda: (data.with_name("etcd-1") / "member" / "wal").is_dir(), "the member is in its new place")
        until(lambda: well(cluster), "all members are well again")


def test_etcds_authority_is_replaced_while_the_cluster_works(cluster: Cluster, web: dict[str, Any]) -> None:
    old = (cluster.data_dir / "pki" / "etcd-ca.crt").read_bytes()
    with writing(cluster):
        for step in (1, 2, 3):
            told = cluster.sampan("certs rotate-ca", "--authority", "etcd-ca").stdout
            assert f"step {step} of 3" in told
            until(lambda: well(cluster), "all members are well")
    assert old not in (cluster.data_dir / "pki" / "etcd-ca.crt").read_bytes()
    scaled(cluster, 3)
    scaled(cluster, 2)


def test_a_dead_leader_is_followed_by_another(cluster: Cluster, web: dict[str, Any]) -> None:
    first = {lease: until(lambda lease=lease: leader(cluster, lease), f"{lease} has a leader") for lease in LEASES}
    victims: list[Record] = [cluster.process(name) for name in set(first.values())]
    with writing(cluster):
        for victim in victims:
            victim.signal(signal.SIGKILL)
        scaled(cluster, 4)
    scaled(cluster, 2)


def test_backups_are_taken_and_kept(cluster: Cluster) -> None:
    folder = cluster.data_dir / "backups"
    until(lambda: len(list(folder.glob("*.backup"))) == 2, "there are two backups")
    newest = until(lambda: sorted(folder.glob("[0-9]*.backup")), "backups")[-1]
    Reader(newest).check()
    file = str(cluster.data_dir / "now.backup")
    assert "objects as of" in cluster.sampan("backup", file).stdout


def test_other_options_than_those_the_cluster_was_made_with_are_refused(cluster: Cluster) -> None:
    refused = cluster.sampan("up", "--servers", "5", check=False)
    assert refused.returncode == 1 and "--servers 3" in refused.stderr


def test_down_leaves_nothing_and_kept_data_comes_back(cluster: Cluster) -> None:
    uid = cluster.kubectl("create", "configmap", "kept", "-o", "jsonpath={.metadata.uid}").stdout
    cluster.down("--keep-data")
    assert not leftovers(cluster.data_dir)
    assert not Path("/run/netns/sampan-server-1").exists()
    cluster.up("--no-sample")
    assert cluster.get("configmap", "kept")["metadata"]["uid"] == uid
    cluster.down()
    assert not leftovers(cluster.data_dir)
