"""One cluster of three servers for all tests of this folder, while nobody else runs a cluster on this machine."""

from __future__ import annotations

import fcntl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..cluster.conftest import LOCK, running_down
from ..cluster.harness import Cluster, free_port

DATA_DIR = Path("/var/lib/sampan-e2e-servers")


@pytest.fixture(scope="package")
def cluster() -> Iterator[Cluster]:
    """Three servers and a node, brought up as a user would, and taken down."""
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        running = Cluster(DATA_DIR, free_port())
        if DATA_DIR.exists():
            subprocess.run([*running_down(running)], check=False)
        try:
            running.up("--servers", "3", "--no-sample", "--snapshot-interval", "2s", "--snapshot-retention", "2")
            yield running
        finally:
            running.down()
            assert not DATA_DIR.exists(), "`sampan down` left files behind"
