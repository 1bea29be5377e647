"""One cluster of three servers for all tests of this folder, while nobody else runs a cluster on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sampan.testing.ports import free_port

from ..cluster.harness import Cluster

DATA_DIR = Path("/var/lib/sampan-e2e-servers")


@pytest.fixture(scope="package")
def cluster(whole_machine: None) -> Iterator[Cluster]:
    """Three servers and a node, brought up as a user would, and taken down."""
    running = Cluster(DATA_DIR, free_port())
    running.clear()
    try:
        running.up("--servers", "3", "--no-sample", "--snapshot-interval", "2s", "--snapshot-retention", "2")
        yield running
    finally:
        running.down()
        assert not DATA_DIR.exists(), "`sampan down` left files behind"
