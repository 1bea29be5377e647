"""The API server as `sampan up --store etcd=...` runs it: etcd with TLS, encryption at rest, scheduled backups."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sampan.aio.clock import SystemClock
from sampan.api.errors import ApiError
from sampan.client import kubeconfig
from sampan.client.errors import Unreachable
from sampan.client.rest import RestClient
from sampan.cluster import certificates, identities, options
from sampan.cluster.options import Options
from sampan.store.backup import Reader
from sampan.testing import etcd
from sampan.testing.ports import free_port

from .test_stores import sampan

SERVER = "from sampan.cluster import components, options\nfrom sampan.cluster.layout import Layout\n"
SERVER += "import pathlib, sys\ncomponents.apiserver(options.load(Layout(pathlib.Path(sys.argv[1]))))\n"
ENCRYPTION = """apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers:
  - aesgcm: {keys: [{name: one, secret: "MTEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}]}
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Options]:
    """A cluster's data directory, its API server running on an etcd that wants certificates."""
    if not etcd.available():
        pytest.skip("no etcd on this machine: install the package etcd-server")
    authority = certificates.Authorities(tmp_path / "etcd-pki", SystemClock())
    for identity in (certificates.ETCD_CLIENT, certificates.etcd_member("member", "127.0.0.1")):
        authority.of(identity).ensure(identity)
    pki = authority.pki
    tls = (f"--cert-file={pki}/member.crt", f"--key-file={pki}/member.key", f"--trusted-ca-file={pki}/etcd-ca.crt")
    (tmp_path / "encryption.yaml").write_text(ENCRYPTION)
    with etcd.cluster(options=(*tls, "--client-cert-auth=true"), scheme="https") as members:
        made = Options(
            data_dir=str(tmp_path / "data"),
            port=free_port(),
            node_name="n",
            node_ip="127.0.0.1",
            store=f"etcd={','.join(members.endpoints)}",
            etcd_prefix="/team-a",
            etcd_cafile=f"{pki}/etcd-ca.crt",
            etcd_certfile=f"{pki}/apiserver-etcd-client.crt",
            etcd_keyfile=f"{pki}/apiserver-etcd-client.key",
            encryption_provider_config=str(tmp_path / "encryption.yaml"),
            snapshot_seconds=1.0,
            snapshot_retention=2,
        )
        options.save(made)
        identities.ensure(made, SystemClock())
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen([sys.executable, "-c", SERVER, made.data_dir], stdout=log, stderr=log)
        try:
            yield made
        finally:
            process.terminate()
            process.wait(20)


async def test_objects_are_encrypted_in_etcd_and_backed_up(cluster: Options) -> None:
    clock = SystemClock()
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "default"}}

    async def until(look: Any) -> Any:
        async def looked() -> Any:
            while True:
                try:
                    if found := await look():
                        return found
                except (ApiError, Unreachable):
                    pass
                await clock.sleep(0.05)

        return await clock.wait_for(looked(), 60)

    async def backups() -> list[Path]:
        return sorted(cluster.snapshots.glob("[0-9]*.backup"))

    async with RestClient(kubeconfig.load(cluster.layout.admin_kubeconfig), clock) as client:
        await until(lambda: client.raw("GET", "/readyz"))
        await client.raw("POST", "/api/v1/namespaces/default/secrets", {**secret, "data": {"k": "bXktdGV4dA=="}})
        (newest, *_) = await until(backups)
        Reader(newest).check()
        file = cluster.layout.data_dir / "now.backup"
        assert "objects as of" in sampan("backup", str(file), "--data-dir", cluster.data_dir).stdout
        assert not await stored_in_plain(cluster)
        await client.raw("DELETE", "/api/v1/namespaces/default/secrets/s")
        sampan("restore", str(file), "--data-dir", cluster.data_dir)
        assert b"bXktdGV4dA==" in await client.raw("GET", "/api/v1/namespaces/default/secrets/s")


async def stored_in_plain(cluster: Options) -> bool:
    """Whether the secret's text lies in etcd as it is."""
    from sampan.cluster import storage

    store = storage.open_storage(cluster, SystemClock(), compacts=False)
    await store.start()
    try:
        found = await store.get("/registry/core/secrets/default/s")
        assert found is not None
        assert found.value.startswith(b"k8s:enc:aesgcm:v1:one:")
        return b"bXktdGV4dA==" in found.value
    finally:
        await store.close()
