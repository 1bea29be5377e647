"""Certificates that live three seconds: server and client go on through several renewals, nobody is restarted."""

from __future__ import annotations

import asyncio
import random
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from sampan.aio.clock import SystemClock
from sampan.api.errors import Unauthorized
from sampan.apiserver.config import Config
from sampan.apiserver.server import ApiServer
from sampan.client import kubeconfig
from sampan.client.renewal import AGAIN_SECONDS, LONGEST_SECONDS, SHORTEST_SECONDS, Life, next_look
from sampan.client.rest import RestClient
from sampan.cluster import renewal
from sampan.cluster.authority import Authority, Identity, new_authority, pem, pem_of
from sampan.cluster.layout import write_private
from sampan.cluster.options import Options
from sampan.cluster.supervision.chores import Chore
from sampan.store.memory import MemoryStore
from sampan.testing.clock import VirtualClock

SERVER = Identity(file="apiserver", user="kube-apiserver", hosts=("127.0.0.1",), client=False)
ADMIN = Identity(file="admin", user="admin", groups=("system:masters",))


class Shifted(SystemClock):
    """The machine's clock, set forward by `ahead` seconds."""

    ahead = 0.0

    def now(self) -> float:  # type: ignore[override]
        return SystemClock.now() + self.ahead


class Cluster:
    """An API server and its administrator, both with certificates of `seconds`."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self.folder = folder
        self.clock = Shifted()
        self.seconds = seconds
        self.port = 0
        self.ensure()
        config = Config(
            port=0,
            certificate=folder / "apiserver.crt",
            key=folder / "apiserver.key",
            client_authority=folder / "ca.crt",
        )
        self.server = ApiServer(config, MemoryStore(self.clock), self.clock, random.Random(1))

    @property
    def authority(self) -> Authority:
        return Authority(self.folder, self.clock, leaf_seconds=self.seconds)

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "admin.kubeconfig"

    def ensure(self) -> None:
        authority = self.authority
        authority.ensure(SERVER)
        certificate, key = authority.ensure(ADMIN)
        text = kubeconfig.render(
            server=f"https://127.0.0.1:{self.port}",
            ca=authority.certificate_file.read_bytes(),
            cert=certificate.read_bytes(),
            key=key.read_bytes(),
        ).encode()
        if not self.kubeconfig.exists() or self.kubeconfig.read_bytes() != text:
            write_private(self.kubeconfig, text)

    async def __aenter__(self) -> Cluster:
        self.port = await self.server.start()
        self.ensure()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.server.close()

    def client(self) -> RestClient:
        return RestClient(kubeconfig.load(self.kubeconfig), self.clock)

    async def served(self) -> int:
        """The serial number of the certificate that the server shows to a new connection."""
        context = ssl.create_default_context(cafile=self.folder / "ca.crt")
        _, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=context)
        shown = writer.get_extra_info("ssl_object").getpeercert(True)
        writer.close()
        await writer.wait_closed()
        return x509.load_der_x509_certificate(shown).serial_number


async def test_connections_work_through_several_renewals(tmp_path: Path) -> None:
    async with Cluster(tmp_path, 3.0) as cluster, cluster.client() as client:
        keeper = asyncio.create_task(renewal.keep(cluster.ensure, tmp_path, cluster.clock))
        serials = set()
        try:
            while len(serials) < 3:
                serials.add(await cluster.served())
                assert b'"NamespaceList"' in await client.raw("GET", "/api/v1/namespaces")
                await asyncio.sleep(0)
        finally:
            keeper.cancel()


async def test_a_certificate_is_refused_on_a_standing_connection_once_it_has_ended(tmp_path: Path) -> None:
    async with Cluster(tmp_path, 3600.0) as cluster, cluster.client() as client:
        await client.raw("GET", "/api/v1/namespaces")
        cluster.clock.ahead = 3601.0
        with pytest.raises(Unauthorized):
            await client.raw("GET", "/api/v1/namespaces")
        cluster.clock.ahead = 0.0
        await client.raw("GET", "/api/v1/namespaces")


# The server looks at its file of authorities once a second.
async def test_who_was_certified_by_an_authority_that_is_gone_is_refused(tmp_path: Path) -> None:
    async with Cluster(tmp_path, 86400.0) as cluster, cluster.client() as client:
        await client.raw("GET", "/api/v1/namespaces")
        old = (tmp_path / "ca.crt").read_bytes()
        key, certificate = new_authority("another", cluster.clock)
        (tmp_path / "ca.crt").write_bytes(old + pem_of(certificate))
        cluster.clock.ahead += 2.0
        await client.raw("GET", "/api/v1/namespaces")
        (tmp_path / "ca.key").write_bytes(pem(key))
        (tmp_path / "ca.crt").write_bytes(pem_of(certificate))
        cluster.clock.ahead += 2.0
        with pytest.raises(Unauthorized):
            await client.raw("GET", "/api/v1/namespaces")
        cluster.ensure()
        await client.raw("GET", "/api/v1/namespaces")


async def test_half_a_renewal_changes_nothing(tmp_path: Path) -> None:
    async with Cluster(tmp_path, 3600.0) as cluster:
        before = await cluster.served()
        signed, private = cluster.authority.issue(SERVER)
        (tmp_path / "apiserver.key").write_bytes(private)
        assert await cluster.served() == before
        (tmp_path / "apiserver.crt").write_bytes(signed)
        assert await cluster.served() != before


def test_a_crash_between_key_and_certificate_is_mended(tmp_path: Path) -> None:
    authority = Authority(tmp_path, VirtualClock())
    authority.ensure(SERVER)
    write_private(tmp_path / "apiserver.key", authority.issue(SERVER)[1])
    certificate, key = authority.ensure(SERVER)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)


OWN = {
    *("admin", "apiserver", "apiserver-kubelet-client", "front-proxy-client", "apiserver-etcd-client"),
    *("controller-manager", "scheduler", "kubelet", "kubelet-serving", "proxy", "dns", "ingress"),
    *("etcd-1", "etcd-2", "etcd-3"),
}
"""All that a machine with three servers and a node has: what serves, and what shows who one is."""


async def test_each_certificate_of_a_machine_is_renewed_well_before_it_ends(tmp_path: Path) -> None:
    """By the chore that the supervisor does when it is due, in a year that passes in a moment."""
    clock = VirtualClock()
    chosen = Options(data_dir=str(tmp_path), node_name="n", node_ip="192.0.2.2", servers=3)
    chore = Chore("certificates", lambda: renewal.renew(chosen, clock), clock)
    chore.do_if_due()
    pki, kubeconfigs = chosen.layout.pki, chosen.layout.kubeconfigs
    files = renewal.own(pki)
    assert {path.stem for path in files} == OWN
    first = {path: path.read_bytes() for path in files}
    ends = {path: x509.load_pem_x509_certificate(data).not_valid_after_utc.timestamp() for path, data in first.items()}
    renewed_at: dict[Path, float] = {}
    while clock.now() < max(ends.values()):
        await clock.jump(20 * 86400)
        chore.do_if_due()
        for path in files:
            if path.read_bytes() != first[path]:
                renewed_at.setdefault(path, clock.now())
    month = 30 * 86400
    assert [path.stem for path in files if renewed_at.get(path, ends[path]) > ends[path] - 2 * month] == []
    for file in (*kubeconfigs.iterdir(), chosen.layout.admin_kubeconfig):
        shown = kubeconfig.load(file)
        name = file.stem.removesuffix(".kubeconfig")
        assert shown.cert == (pki / f"{name}.crt").read_bytes(), file
        assert shown.key == (pki / f"{name}.key").read_bytes(), file


def test_when_to_look_again() -> None:
    life = Life(1000.0, 2000.0)
    assert (life.share(1500.0), life.moment(0.7), life.share(900.0)) == (0.5, 1700.0, -0.1)
    assert 1700.0 <= life.renewal(random.Random(3)) <= 1900.0
    assert next_look(1700.0, 1600.0) == 100.0
    assert next_look(99999.0, 0.0) == LONGEST_SECONDS
    assert next_look(49.0, 50.0) == SHORTEST_SECONDS
    assert next_look(0.0, 50.0) == AGAIN_SECONDS


async def test_a_chore_that_fails_is_tried_again() -> None:
    clock = VirtualClock()
    results = [1000.0, OSError("disk full"), 5.0]
    done: list[float] = []

    def work() -> float:
        done.append(clock.monotonic())
        result = results[len(done) - 1]
        if isinstance(result, Exception):
            raise result
        return result

    chore = Chore("test", work, clock)
    for moment in (0.0, 999.0, 1000.0, 1000.0 + AGAIN_SECONDS):
        await clock.jump(moment - clock.monotonic())
        chore.do_if_due()
    assert done == [0.0, 1000.0, 1060.0]
    assert chore.due == 1065.0
