"""One cluster of three nodes for all tests of this folder, while nobody else runs a cluster on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .world import World

DATA_DIR = Path("/var/lib/sampan-e2e-nodes")
INGRESS = (8180, 8543)
"""Where the first node answers Ingresses."""
PODS, SERVICES = "10.244.0.0/16,fd00:244::/48", "10.96.0.0/16,fd00:96::/112"


@pytest.fixture(scope="package")
def world(whole_machine: None) -> Iterator[World]:
    """Three nodes with addresses of both families, brought up as a user would, and taken down."""
    running = World(DATA_DIR)
    running.clear()
    try:
        networks = ("--cluster-cidr", PODS, "--service-cidr", SERVICES)
        ingress = ("--ingress", "--ingress-ports", ",".join(map(str, INGRESS)))
        running.up("--nodes", "3", "--no-sample", *networks, *ingress)
        yield running
    finally:
        running.down()
        assert not DATA_DIR.exists(), "`sampan down` left files behind"
