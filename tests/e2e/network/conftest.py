from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sampan.network import cni
from sampan.network.netlink.generic import Family
from sampan.network.proxy import modes
from sampan.network.proxy.backend import Backend
from sampan.network.proxy.settings import Settings

from .world import CLUSTER, SERVICES, World

SETTINGS = Settings(cluster_cidr=CLUSTER, service_cidr=SERVICES, skip=("10.96.0.10",))


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


def has_ipvs() -> bool:
    """Most test machines' kernels lack it; what it is told is tested in tests/unit/network/test_ipvs.py."""
    family = Family("IPVS")
    try:
        return bool(family.number())
    except OSError:
        return False
    finally:
        family.close()


RUNNABLE = [mode for mode in modes.BACKENDS if mode != "ipvs" or has_ipvs()]


@pytest.fixture(params=RUNNABLE)
def mode(request: pytest.FixtureRequest) -> str:
    """Each packet filter in turn."""
    return str(request.param)


@pytest.fixture
def backend(world: World, mode: str) -> Iterator[Backend]:
    yield from _backend(world, mode)


@pytest.fixture
def nftables(world: World) -> Iterator[Backend]:
    yield from _backend(world, "nftables")


def _backend(world: World, mode: str) -> Iterator[Backend]:
    made = modes.BACKENDS[mode](SETTINGS)
    yield made
    world.run(made.remove())
