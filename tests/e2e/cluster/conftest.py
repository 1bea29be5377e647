"""One cluster for all tests of this folder; each test has a namespace of its own."""

from __future__ import annotations

import fcntl
import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .harness import Cluster, free_port

DATA_DIR = Path("/var/lib/sampan-e2e")
LOCK = Path("/run/lock/sampan-e2e")
_numbers = itertools.count()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.geteuid():
        raise pytest.UsageError("the tests in tests/e2e run containers and need root: run scripts/test as root")


@pytest.fixture(scope="session")
def machine() -> Iterator[None]:
    """The whole machine: a second run of these tests waits for the first to end."""
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def cluster(machine: None) -> Iterator[Cluster]:
    """A one-node cluster with the sample's images, brought up as a user would, and taken down."""
    running = Cluster(DATA_DIR, free_port())
    if DATA_DIR.exists():
        subprocess.run([*running_down(running)], check=False)
    try:
        running.up("--no-sample")
        yield running
    finally:
        running.down()
        assert not DATA_DIR.exists(), "`sampan down` left files behind"


def running_down(cluster: Cluster) -> list[str]:
    """The command that removes what an interrupted run has left."""
    from .harness import SAMPAN

    return [*SAMPAN, "down", "--data-dir", str(cluster.data_dir)]


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace, current for kubectl, deleted afterwards without waiting."""
    name = f"test-{next(_numbers)}"
    cluster.kubectl("create", "namespace", name)
    cluster.kubectl("config", "set-context", "--current", f"--namespace={name}")
    yield name
    cluster.kubectl("config", "set-context", "--current", "--namespace=default")
    cluster.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")


@pytest.fixture(params=["current", "debian"])
def kubectl(request: pytest.FixtureRequest) -> str:
    """The kubectl on the PATH, then Debian's 1.20.2."""
    found = shutil.which("kubectl") if request.param == "current" else os.environ.get("SAMPAN_OLD_KUBECTL")
    if not found:
        pytest.fail("no kubectl: run the tests with scripts/test, which fetches it")
    return found
