from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sampan.network import cni
from sampan.network.proxy.nftables.backend import NftablesBackend
from sampan.network.proxy.settings import Settings

from .world import CLUSTER, SERVICES, World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A node with the pod network installed; everything is gone afterwards."""
    if os.geteuid():
        pytest.skip("needs root: makes network namespaces")
    world = World(tmp_path)
    try:
        world.run(cni.install(world.pod_network))
        yield world
    finally:
        world.close()


@pytest.fixture
def backend(world: World) -> Iterator[NftablesBackend]:
    backend = NftablesBackend(Settings(cluster_cidr=CLUSTER, service_cidr=SERVICES, skip=("10.96.0.10",)))
    yield backend
    backend.close()
