"""Others' parts: a runtime that somebody else started and keeps, a pod network that somebody else makes."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sampan.aio.clock import SystemClock
from sampan.cri.containerd import Containerd
from sampan.testing.ports import free_port

from .conftest import begin
from .harness import Cluster, until

DATA_DIR = Path("/var/lib/sampan-e2e-own")
RUNTIME_DIR = Path("/var/lib/sampan-e2e-runtime")


@pytest.fixture
def runtime() -> Iterator[Containerd]:
    """A containerd that runs before the cluster and after it."""
    found = Containerd(RUNTIME_DIR, clock=SystemClock())
    found.prepare()
    with (RUNTIME_DIR / "containerd.log").open("wb") as log:
        process = subprocess.Popen(found.command(), stdout=log, stderr=log, start_new_session=True)
    try:
        asyncio.run(found.ready())
        yield found
        assert process.poll() is None, "the runtime was not ours to stop"
    finally:
        asyncio.run(found.destroy())
        process.terminate()
        process.wait()
        asyncio.run(found.destroy())
        subprocess.run(["rm", "-rf", str(RUNTIME_DIR)], check=True)


@pytest.fixture(scope="module")
def other(cluster: Cluster) -> Iterator[Cluster]:
    """Instead of the cluster that the other tests use."""
    cluster.down()
    try:
        yield Cluster(DATA_DIR, free_port())
    finally:
        begin(cluster)


def test_a_cluster_on_another_runtime(other: Cluster, runtime: Containerd) -> None:
    try:
        shown = other.up(
            "--container-runtime-endpoint", f"unix://{runtime.socket}", "--cni-conf-dir", str(runtime.cni_conf_dir)
        )
        assert "Hello from hello-" in shown
        assert until(lambda: other.ready_pods("app=hello", 3), "the sample runs")
        assert not (DATA_DIR / "containerd").exists()
        assert "containerd" not in other.sampan("status").stdout.split("NODES")[0]
    finally:
        other.down()
    assert not DATA_DIR.exists()


THEIRS = {
    "cniVersion": "0.4.0",
    "name": "theirs",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "sampan-e2e0",
            "isGateway": True,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": "10.245.7.0/24"}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }
    ],
}
WALL = """
table inet wall {
  chain guard { type filter hook forward priority filter; policy accept; ip saddr 192.0.2.77 drop; }
}
"""


@pytest.fixture
def wall() -> Iterator[Callable[[], str]]:
    """A firewall of somebody else's, as it is now."""
    subprocess.run(("nft", "-f", "-"), input=WALL, text=True, check=True)
    yield lambda: subprocess.run(("nft", "list", "table", "inet", "wall"), capture_output=True, text=True).stdout
    subprocess.run(("nft", "delete", "table", "inet", "wall"), check=True)


def test_a_cluster_on_another_network(other: Cluster, wall: Callable[[], str], tmp_path: Path) -> None:
    file, before = tmp_path / "20-theirs.conflist", wall()
    THEIRS["plugins"][0]["ipam"]["dataDir"] = str(tmp_path / "leases")  # type: ignore[index]
    file.write_text(json.dumps(THEIRS))
    try:
        options = ("--pod-network", "none", "--cni-conf-dir", str(tmp_path), "--cluster-cidr", "10.245.0.0/16")
        assert "Hello from hello-" in other.up(*options)
        pods = until(lambda: other.ready_pods("app=hello", 3), "the sample runs")
        assert all(pod["status"]["podIP"].startswith("10.245.7.") for pod in pods)
        assert wall() == before
    finally:
        other.down()
        subprocess.run(("ip", "link", "delete", "sampan-e2e0"), check=False, capture_output=True)
    assert wall() == before
    assert json.loads(file.read_text()) == THEIRS
    assert [found.name for found in tmp_path.glob("*.conf*")] == [file.name]
