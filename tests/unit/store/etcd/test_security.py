"""TLS with certificates on both sides, and etcd's own users."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sampan.aio.clock import SystemClock
from sampan.cluster.certificates import Authority, Identity
from sampan.store.errors import Unavailable
from sampan.store.etcd import Credentials, EtcdStore
from sampan.store.interface import Put
from sampan.testing import etcd

pytestmark = pytest.mark.skipif(not etcd.available(), reason="no etcd on this machine: install etcd-server")


def certify(folder: Path) -> None:
    """An authority, and certificates by it for a member and a client."""
    authority = Authority(folder, SystemClock())
    authority.ensure(Identity(file="server", user="etcd", hosts=("127.0.0.1",)))
    authority.ensure(Identity(file="client", user="sampan"))


async def test_certificates_on_both_sides_and_others_later(tmp_path: Path) -> None:
    certify(tmp_path)
    certify(tmp_path / "later")
    options = [
        f"--cert-file={tmp_path / 'server.crt'}",
        f"--key-file={tmp_path / 'server.key'}",
        f"--trusted-ca-file={tmp_path / 'ca.crt'}",
        "--client-cert-auth",
    ]
    trusted = Credentials(
        authority=tmp_path / "ca.crt", certificate=tmp_path / "client.crt", key=tmp_path / "client.key"
    )
    with etcd.cluster(options=options, scheme="https") as cluster:
        await cluster.ready()
        store = EtcdStore(cluster.endpoints, SystemClock(), credentials=trusted)
        await store.start()
        assert (await store.commit([], [Put("/a", b"1")])).succeeded
        cluster.members[0].kill()
        for file in (tmp_path / "later").iterdir():
            shutil.copy(file, tmp_path / file.name)
        cluster.start()
        await cluster.ready()
        assert await store.get("/a") is not None
        await store.close()
        nobody = EtcdStore(
            cluster.endpoints, SystemClock(), credentials=Credentials(authority=tmp_path / "ca.crt"), seconds=1
        )
        with pytest.raises(Unavailable):
            await nobody.start()


async def test_a_user_with_a_password_keeps_working_when_the_token_ends() -> None:
    with etcd.cluster() as cluster:
        await cluster.ready()
        url = cluster.endpoints[0]
        for command in (
            "user add root:secret",
            "user grant-role root root",
            "role add tenant",
            "role grant-permission tenant --prefix=true readwrite /tenant/",
            "user add sampan:word",
            "user grant-role sampan tenant",
            "auth enable",
        ):
            etcd.etcdctl(url, *command.split())
        user = Credentials(user="sampan", password="word")
        store = EtcdStore([url], SystemClock(), prefix="/tenant", credentials=user)
        await store.start()
        watch = store.watch("/", "0", from_revision=store.revision)
        assert (await store.commit([], [Put("/a", b"1")])).succeeded
        etcd.etcdctl(url, "--user=root:secret", "user", "add", "another:word")
        store._connection._metadata = (("token", "long.gone"),)
        assert (await store.commit([], [Put("/a", b"2")])).succeeded
        seen: list[bytes | None] = []
        while watch.revision < store.revision:
            seen += [event.value for event in await watch.__anext__()]
        assert seen == [b"1", b"2"]
        await store.close()
        wrong = EtcdStore([url], SystemClock(), credentials=Credentials(user="sampan", password="guess"))
        with pytest.raises(Unavailable, match="user name or password"):
            await wrong.start()
        outside = EtcdStore([url], SystemClock(), credentials=user)
        with pytest.raises(Unavailable, match="grant its role"):
            await outside.start()
