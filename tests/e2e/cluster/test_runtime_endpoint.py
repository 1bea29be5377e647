"""`--container-runtime-endpoint`: a runtime that somebody else started and keeps."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sampan.aio.clock import SystemClock
from sampan.cri.containerd import Containerd
from sampan.testing.ports import free_port

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


def test_a_cluster_on_another_runtime(cluster: Cluster, runtime: Containerd) -> None:
    cluster.down()
    other = Cluster(DATA_DIR, free_port())
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
        cluster.up("--no-sample")
    assert not DATA_DIR.exists()
