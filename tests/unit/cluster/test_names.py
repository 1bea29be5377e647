"""The Service by which the cluster's DNS is known."""

from __future__ import annotations

import pytest

from sampan.api.errors import Invalid
from sampan.api.kinds import core_v1
from sampan.cluster import names
from sampan.cluster.options import Options
from sampan.testing.fakeapi import FakeApi

DUAL = Options(service_cidr="10.97.0.0/16,fd00:97::/112")


async def test_it_has_the_addresses_that_nodes_answer_at() -> None:
    api = FakeApi()
    await names.publish(api, DUAL)
    await names.publish(api, Options())
    (made,) = api.all(core_v1.Service)
    assert (made.metadata.namespace, made.metadata.name) == ("kube-system", "kube-dns")
    assert made.spec.clusterIPs == ["10.97.0.10", "fd00:97::a"], "one that is there stays"
    assert made.metadata.labels["service.kubernetes.io/service-proxy-name"] == "sampan-dns"


async def test_an_address_that_somebody_has_is_told(caplog: pytest.LogCaptureFixture) -> None:
    api = FakeApi()
    api.fail("create", "services", Invalid("provided IP is already allocated"))
    await names.publish(api, DUAL)
    assert "provided IP is already allocated" in caplog.text
