"""For pytest: the fixture `sampan_cluster`, a cluster of three simulated nodes for a test session.

Installed with Sampan, so nothing has to be imported. Override `sampan_cluster_options` for another cluster, in a
conftest.py or in a test module:

    @pytest.fixture(scope="session")
    def sampan_cluster_options():
        return {"nodes": 10, "users": {"alice": ("dev",)}}

`sampan_namespace` is a namespace of a test's own, deleted after it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from sampan.testing.local import Cluster

_number = itertools.count(1)


@pytest.fixture(scope="session")
def sampan_cluster_options() -> dict[str, Any]:
    """The options of `sampan.testing.cluster`."""
    return {"nodes": 3}


@pytest.fixture(scope="session")
def sampan_cluster(sampan_cluster_options: dict[str, Any]) -> Iterator[Cluster]:
    """A running `sampan.testing.Cluster`."""
    from sampan.testing.local import cluster

    with cluster(**sampan_cluster_options) as running:
        yield running


@pytest.fixture
def sampan_namespace(sampan_cluster: Cluster) -> Iterator[str]:
    """The name of a new namespace."""
    name = f"test-{next(_number)}"
    sampan_cluster.kubectl("create", "namespace", name)
    yield name
    sampan_cluster.kubectl("delete", "namespace", name, "--wait=false")
