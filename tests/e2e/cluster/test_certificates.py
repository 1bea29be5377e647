"""Certificates of a running cluster: private, renewed without a restart, and a machine that joins by token."""

from __future__ import annotations

import http.client
import re
import shutil
import ssl
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .harness import Cluster, run, until

NAMESPACE = "sampan-test-join"
INTERFACE = "sampan-tj"
JOINED = Path("/var/lib/sampan-e2e-joined")


def test_files_are_private_and_good(cluster: Cluster) -> None:
    pki = cluster.data_dir / "pki"
    private = [cluster.kubeconfig, *pki.iterdir(), *(cluster.data_dir / "kubeconfig").iterdir()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}
    assert stat.S_IMODE(pki.stat().st_mode) == 0o700
    text = cluster.sampan("certs check").stdout
    assert "system:kube-controller-manager" in text and "problem" not in text


@contextmanager
def asking(cluster: Cluster) -> Iterator[list[str]]:
    """A client that asks all the time; gives what has failed."""
    stop, failures = threading.Event(), []

    def ask() -> None:
        while not stop.is_set():
            done = cluster.kubectl("get", "nodes", check=False)
            if done.returncode:
                failures.append(done.stderr)

    client = threading.Thread(target=ask)
    client.start()
    try:
        yield failures
    finally:
        stop.set()
        client.join()


def test_all_are_renewed_while_a_client_runs(cluster: Cluster) -> None:
    before, pids = served(cluster), {entry.name: entry.pid for entry in cluster.records.all()}
    with asking(cluster) as failures:
        assert "apiserver" in cluster.sampan("certs renew").stdout
        until(lambda: served(cluster) != before, "the API server shows its new certificate")
        cluster.kubectl("get", "--raw", "/api/v1/nodes")
    assert not failures
    assert {entry.name: entry.pid for entry in cluster.records.all()} == pids


def test_the_authority_is_replaced_while_a_client_runs(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    pki = cluster.data_dir / "pki"
    old = [shutil.copy(pki / name, tmp_path) for name in ("admin.crt", "admin.key")]
    before, pids = served(cluster), {entry.name: entry.pid for entry in cluster.records.all()}
    token = cluster.kubectl("create", "token", "default").stdout.strip()
    node = cluster.get("nodes")["items"][0]["metadata"]["name"]
    with asking(cluster) as failures:
        for step in range(3):
            cluster.sampan("certs rotate-ca")
            every_component_works(cluster, f"p{step}")
            assert cluster.kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/healthz").stdout == "ok"
    assert not failures
    assert served(cluster) != before
    assert kubelet(cluster, "/metrics", token) == 403  # the kubelet asks the API server, which knows the token
    assert with_certificate(cluster, *old) == 401
    assert with_certificate(cluster, pki / "admin.crt", pki / "admin.key") == 200
    maps = ("get", "configmap", "kube-root-ca.crt", "-o", r"jsonpath={.data.ca\.crt}")
    authority = (pki / "ca.crt").read_text().strip()
    until(lambda: cluster.kubectl(*maps).stdout.strip() == authority, "pods are given the new one alone")
    assert {entry.name: entry.pid for entry in cluster.records.all()} == pids
    assert "problem" not in cluster.sampan("certs check").stdout


def with_certificate(cluster: Cluster, certificate: Path, key: Path) -> int:
    """The status that the API server answers with."""
    context = ssl.create_default_context(cafile=str(cluster.data_dir / "pki" / "ca.crt"))
    context.load_cert_chain(certificate, key)
    connection = http.client.HTTPSConnection("127.0.0.1", cluster.port, context=context, timeout=10)
    connection.request("GET", "/api/v1/nodes")
    status = connection.getresponse().status
    connection.close()
    return status


def every_component_works(cluster: Cluster, name: str) -> None:
    """A controller, the scheduler and the kubelet each do their part for a Deployment whose image there is not."""
    cluster.kubectl("create", "deployment", name, "--image=localhost:1/none")

    def told() -> bool:
        [pod] = cluster.pods(f"app={name}")
        return bool(pod["status"].get("containerStatuses"))

    until(lambda: cluster.pods(f"app={name}") and told(), "its pod is made, placed and told of")


def served(cluster: Cluster) -> str:
    context = ssl.create_default_context(cafile=str(cluster.data_dir / "pki" / "ca.crt"))
    connection = http.client.HTTPSConnection("127.0.0.1", cluster.port, context=context, timeout=10)
    connection.connect()
    shown = connection.sock.getpeercert()["serialNumber"]
    connection.close()
    return str(shown)


def kubelet(cluster: Cluster, path: str, token: str = "") -> int:
    """The status a node's own server answers with."""
    context = ssl.create_default_context(cafile=str(cluster.data_dir / "pki" / "kubelet-ca.crt"))
    connection = http.client.HTTPSConnection("127.0.0.1", 10250, context=context, timeout=10)
    connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
    status = connection.getresponse().status
    connection.close()
    return status


def test_a_nodes_server_asks_who_and_whether(cluster: Cluster, namespace: str) -> None:
    until(lambda: cluster.kubectl("get", "serviceaccount", "default").stdout, "the account is there")
    token = cluster.kubectl("create", "token", "default").stdout.strip()
    assert kubelet(cluster, "/pods") == kubelet(cluster, "/pods", "no.such.token") == 401
    assert kubelet(cluster, "/metrics", token) == 403
    account = f"{namespace}:default"
    cluster.kubectl("create", "clusterrole", namespace, "--verb=get", "--resource=nodes/pods")
    cluster.kubectl(
        "create", "clusterrolebinding", namespace, f"--clusterrole={namespace}", f"--serviceaccount={account}"
    )
    assert kubelet(cluster, "/pods", token) == 200
    for path in ("/containerLogs/a/b/c", "/logs/", "/flagz", "/statusz", "/stats/summary"):
        assert kubelet(cluster, path, token) == 403
    cluster.kubectl("delete", "clusterrole,clusterrolebinding", namespace)


@pytest.fixture
def network() -> Iterator[list[str]]:
    """A network of its own, as another machine's; gives how commands are run in it."""
    for command in (
        f"ip netns add {NAMESPACE}",
        f"ip link add {INTERFACE}0 type veth peer name {INTERFACE}1 netns {NAMESPACE}",
        f"ip addr add 198.51.100.1/30 dev {INTERFACE}0",
        f"ip link set {INTERFACE}0 up",
        f"ip -n {NAMESPACE} addr add 198.51.100.2/30 dev {INTERFACE}1",
        f"ip -n {NAMESPACE} link set {INTERFACE}1 up",
        f"ip -n {NAMESPACE} link set lo up",
        f"ip -n {NAMESPACE} route add default via 198.51.100.1",
    ):
        run(command.split())
    inside = ["nsenter", f"--net=/run/netns/{NAMESPACE}"]
    try:
        yield inside
    finally:
        run([*inside, sys.executable, "-m", "sampan", "down", "--data-dir", str(JOINED)], check=False)
        run(["ip", "netns", "del", NAMESPACE], check=False)
        subprocess.run(["ip", "link", "del", f"{INTERFACE}0"], capture_output=True, check=False)
        assert not JOINED.exists(), "`sampan down` left files behind"


def test_a_machine_joins_by_token(cluster: Cluster, namespace: str, network: list[str]) -> None:
    printed = cluster.sampan("token create", "--ttl", "1h").stdout
    server, token, pin = re.fullmatch(r"sampan join (\S+) --token (\S+) --ca-cert-hash (\S+)\n", printed).groups()
    where = ["--data-dir", str(JOINED), "--node-name", "joined", "--node-ip", "198.51.100.2"]
    join = [*network, sys.executable, "-m", "sampan", "join", server, "--ca-cert-hash", pin, *where]
    assert "node joined" in run([*join, "--token-file", "-"], stdin=token).stdout
    assert token not in (JOINED / "log" / "agent.log").read_text() + (JOINED / "cluster.json").read_text()
    assert "already runs" in run(join).stdout
    requests = cluster.get("csr")["items"]
    mine = {r["spec"]["username"]: r for r in requests if "certificate" in r["status"]}
    assert {f"system:bootstrap:{token.partition('.')[0]}", "system:node:joined"} <= set(mine)
    overrides = '{"spec":{"nodeName":"joined"}}'
    cluster.kubectl("run", "there", "--image=sampan.dev/sample:1", "--overrides", overrides, "--", "echo", "hello")
    until(lambda: "hello" in cluster.kubectl("logs", "there").stdout, "its log is read through its kubelet")
    cluster.kubectl("delete", "pod", "there", "--now")
    cluster.sampan("token delete", token.partition(".")[0])
    # First the machine: a Node whose kubelet lives would come back.
    run([*network, sys.executable, "-m", "sampan", "down", "--data-dir", str(JOINED)])
    cluster.kubectl("delete", "node", "joined")
