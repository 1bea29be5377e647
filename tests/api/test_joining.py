"""A machine joins by token over the wire: discovery, its certificates by request, and what it may and may not do."""

from __future__ import annotations

import asyncio
import random
import shlex
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from sampan.aio.clock import SystemClock
from sampan.api.errors import Forbidden
from sampan.api.kinds import core_v1, meta_v1
from sampan.client import bootstrap, kubeconfig
from sampan.client.config import ClientConfig
from sampan.client.rest import RestClient
from sampan.cluster import certificates, discovery, tokens
from sampan.cluster.bringup import Reporter
from sampan.cluster.errors import ClusterError
from sampan.cluster.inspection import signed
from sampan.cluster.joining import Joining
from sampan.cluster.nodecertificates import NodeCertificates
from sampan.cluster.options import Options
from sampan.controllers.context import Config
from sampan.controllers.manager import ControllerManager

TOKEN = bootstrap.parse("abcdef.0123456789abcdef")
CONTROLLERS = frozenset(
    {
        "bootstrap-signer",
        "certificatesigningrequest-approving",
        "certificatesigningrequest-signing",
        "root-ca-certificate-publisher",
        "token-cleaner",
    }
)
INFO = "/api/v1/namespaces/kube-public/configmaps/cluster-info"


class Cluster:
    """An API server with the controllers that joining needs, and its administrator."""

    def __init__(self, api: Any) -> None:
        self.api = api
        self.clock = SystemClock()
        self.options = Options(data_dir=str(api.data), node_ip="127.0.0.1", port=api.port, proxy_mode="iptables")
        config = ClientConfig(server=api.url, token="admin-token", insecure_skip_tls_verify=True)
        self.client = RestClient(config, self.clock)

    @property
    def pki(self) -> Path:
        return self.options.layout.pki

    @property
    def manager(self) -> ControllerManager:
        signing = {s: (self.pki / f"{ca}.crt", self.pki / f"{ca}.key") for s, ca in certificates.SIGNERS.items()}
        config = Config(root_ca=self.pki / "ca.crt", signing=signing, enabled=CONTROLLERS)
        return ControllerManager(self.client, self.clock, random.Random(1), config)

    def joining(self, folder: Path, token: bootstrap.Token = TOKEN, **fields: Any) -> Joining:
        options = Options(data_dir=str(folder), node_name=folder.name, node_ip="127.0.0.1")
        server, reporter = self.api.url, Reporter()
        return Joining(options=options, clock=self.clock, reporter=reporter, server=server, token=token, **fields)

    async def signed(self) -> None:
        """Waits for the signer."""
        fields = "metadata.name=cluster-info"
        async with aclosing(self.client.watch(core_v1.ConfigMap, "kube-public", fields=fields)) as events:
            async for event in events:
                if bootstrap.SIGNATURE_PREFIX + TOKEN.id in (event.object.data or {}):
                    return


@pytest.fixture
async def cluster(api: Any) -> AsyncIterator[Cluster]:
    made = Cluster(api)
    running = asyncio.create_task(made.manager.run())
    try:
        yield made
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await made.client.close()


async def test_a_machine_joins_and_keeps_its_certificates(cluster: Cluster, tmp_path: Path) -> None:
    assert cluster.api("GET", INFO, token=None).status == 403
    await tokens.publish(cluster.client, cluster.options)
    await tokens.create(cluster.client, cluster.clock, TOKEN, ttl=3600, description="")
    await cluster.signed()
    authority = x509.load_pem_x509_certificate((cluster.pki / "ca.crt").read_bytes())
    run = cluster.joining(tmp_path / "joined", pins=[discovery.digest(authority)])
    await run.cluster()
    assert await run.identity() == "system:node:joined"
    assert run.options.service_cidr == cluster.options.service_cidr and run.options.joined
    assert run.options.proxy_mode == "iptables", "as its cluster, being told nothing else"
    config = kubeconfig.load(run.options.layout.kubeconfigs / "kubelet.kubeconfig")
    async with RestClient(config, cluster.clock) as node:
        await registered(node, "joined")
        for kind, namespace in ((core_v1.Secret, "kube-system"), (core_v1.Pod, ""), (core_v1.Namespace, "")):
            with pytest.raises(Forbidden):
                await node.list(kind, namespace)
        await NodeCertificates(run.options, node, cluster.clock, random.Random(1)).look()
    config = kubeconfig.load(run.options.layout.kubeconfigs / "proxy.kubeconfig")
    async with RestClient(config, cluster.clock) as network:
        await network.list(core_v1.Pod, "")
        with pytest.raises(Forbidden):
            await network.get(core_v1.Secret, "any", "default")
    serving = x509.load_pem_x509_certificate((run.options.layout.pki / "kubelet-serving.crt").read_bytes())
    own = x509.load_pem_x509_certificates((cluster.pki / "kubelet-ca.crt").read_bytes())
    assert signed(serving, own[0]) and not signed(serving, authority)
    assert await run.identity() == "system:node:joined"
    await refused(cluster, tmp_path)


async def registered(client: RestClient, name: str) -> None:
    """As a kubelet does: the node, and where it is."""
    addresses = [core_v1.NodeAddress(type=t, address=a) for t, a in (("InternalIP", "127.0.0.1"), ("Hostname", name))]
    node = core_v1.Node(metadata=meta_v1.ObjectMeta(name=name, labels={"kubernetes.io/hostname": name}))
    made = await client.create(node)
    made.status = core_v1.NodeStatus(addresses=addresses)
    await client.update_status(made)


async def refused(cluster: Cluster, folder: Path) -> None:
    """A taken name, a wrong secret, an unknown token, one that was deleted."""
    again = cluster.joining(folder / "again" / "joined")
    await again.cluster()
    with pytest.raises(ClusterError, match="there is a node joined"):
        await again.identity()
    with pytest.raises(ClusterError, match="was not signed with token abcdef"):
        await cluster.joining(folder / "x", bootstrap.parse("abcdef.ffffffffffffffff")).cluster()
    with pytest.raises(ClusterError, match="token zzzzzz is not known"):
        await cluster.joining(folder / "x", bootstrap.parse("zzzzzz.ffffffffffffffff")).cluster()
    assert [(each.id, each.usages) for each in await tokens.listed(cluster.client)] == [
        ("abcdef", ("authentication", "signing"))
    ]
    late = cluster.joining(folder / "late")
    await late.cluster()
    await tokens.delete(cluster.client, TOKEN.id)
    with pytest.raises(ClusterError, match="token abcdef is refused"):
        await late.identity()
    with pytest.raises(ClusterError, match="there is no token"):
        await tokens.delete(cluster.client, TOKEN.id)


def test_nobody_reads_more_than_that(api: Any) -> None:
    for path in (INFO.rpartition("/")[0], f"{INFO}x", "/api/v1/namespaces/kube-system/secrets", "/"):
        assert api("GET", path, token=None).status == 401, path
    assert api("DELETE", INFO, token=None).status == 403


def test_serving_certificates_can_be_left_to_people(api: Any) -> None:
    """The commands of docs/certificates.md."""
    page = (Path(__file__).parents[2] / "docs" / "certificates.md").read_text()
    commands = [line for line in page.splitlines() if line.startswith("kubectl ") and "selfnodeserver" in line]
    assert len(commands) == 2
    for command in commands:
        api.kubectl(*shlex.split(command)[1:])
    asked = {"group": "certificates.k8s.io", "resource": "certificatesigningrequests", "subresource": "selfnodeserver"}
    spec = {"user": "system:node:n", "groups": ["system:nodes"], "resourceAttributes": {"verb": "create", **asked}}
    review = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    assert not api.make(review, {"spec": spec})["status"]["allowed"]
