"""The cluster's certificates: who they speak for, what they are kept for, who may read them."""

from __future__ import annotations

import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509

from sampan.cluster import certificates
from sampan.cluster.authority import Authority, Identity
from sampan.cluster.layout import Layout, write_private
from sampan.testing.clock import VirtualClock

DAY = 86400.0
SERVER = Identity(file="server", user="me", groups=("a", "b"), hosts=("localhost", "127.0.0.1"))


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def subject(path: Path) -> list[str]:
    return [str(a.value) for a in x509.load_pem_x509_certificate(path.read_bytes()).subject]


def test_an_identity_is_user_and_groups(tmp_path: Path, clock: VirtualClock) -> None:
    certificate, key = Authority(tmp_path, clock).ensure(SERVER)
    assert subject(certificate) == ["a", "b", "me"]
    ssl.create_default_context(cafile=str(tmp_path / "ca.crt")).load_cert_chain(certificate, key)


def test_a_good_certificate_is_kept(tmp_path: Path, clock: VirtualClock) -> None:
    authority = Authority(tmp_path, clock)
    first = authority.ensure(SERVER)[0].read_bytes()
    assert Authority(tmp_path, clock).ensure(SERVER)[0].read_bytes() == first


async def test_it_is_renewed_before_it_ends(tmp_path: Path, clock: VirtualClock) -> None:
    authority = Authority(tmp_path, clock)
    first = authority.ensure(SERVER)[0].read_bytes()
    await clock.jump(254 * DAY)
    assert authority.ensure(SERVER)[0].read_bytes() == first
    await clock.jump(2 * DAY)
    assert authority.ensure(SERVER)[0].read_bytes() != first


def test_another_host_makes_a_new_one(tmp_path: Path, clock: VirtualClock) -> None:
    authority = Authority(tmp_path, clock)
    authority.ensure(SERVER)
    wider = Identity(file="server", user="me", hosts=("localhost", "192.0.2.9"))
    certificate = x509.load_pem_x509_certificate(authority.ensure(wider)[0].read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {str(n.value) for n in names} == {"localhost", "192.0.2.9"}


def test_everything_a_cluster_needs_is_private(tmp_path: Path, clock: VirtualClock) -> None:
    layout = Layout(tmp_path)
    hosts = certificates.api_hosts("10.96.0.1", "cluster.local", bind_address="127.0.0.1", node_ip="192.0.2.2")
    identities = (*certificates.COMPONENTS, certificates.server(hosts), *certificates.node("n", "192.0.2.2"))
    certificates.ensure_all(layout, clock, identities)
    files = list(layout.pki.iterdir())
    assert {"ca.crt", "apiserver.crt", "sa.key", "kubelet.crt", "admin.crt"} <= {f.name for f in files}
    assert {"kubelet-ca.crt", "front-proxy-ca.crt", "front-proxy-client.crt"} <= {f.name for f in files}
    assert stat.S_IMODE(layout.pki.stat().st_mode) == 0o700
    assert {stat.S_IMODE(f.stat().st_mode) for f in files} == {0o600}
    assert subject(layout.pki / "kubelet.crt") == ["system:nodes", "system:node:n"]


def test_a_private_file_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    write_private(path, b"one")
    write_private(path, b"two")
    assert path.read_bytes() == b"two" and [f.name for f in path.parent.iterdir()] == ["file"]
