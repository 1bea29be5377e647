"""One cluster for all tests of this folder; each test has a namespace of its own."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from sampan.testing.ports import free_port

from .harness import ROOT, Cluster

DATA_DIR = Path("/var/lib/sampan-e2e")
AUDIT = (
    *("--audit-policy-file", str(ROOT / "docs" / "audit-policy.yaml")),
    *("--audit-log-path", str(DATA_DIR / "log" / "audit.log")),
    *("--audit-log-maxage", "30", "--audit-log-maxbackup", "10", "--audit-log-maxsize", "100"),
)
"""As docs/security.md has it."""
_numbers = itertools.count()


def begin(cluster: Cluster) -> None:
    """Bring it up with all that tests of this folder ask of it."""
    ports = f"{cluster.http_port},{cluster.https_port}"
    cluster.up("--no-sample", "--ingress", "--ingress-ports", ports, *AUDIT)


@pytest.fixture(scope="package")
def cluster(whole_machine: None) -> Iterator[Cluster]:
    """A one-node cluster with the sample's images, brought up as a user would, and taken down."""
    running = Cluster(DATA_DIR, free_port())
    running.clear()
    try:
        begin(running)
        yield running
    finally:
        running.down()
        assert not DATA_DIR.exists(), "`sampan down` left files behind"


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
