"""Replacing an authority: at no moment is anybody refused; and what `sampan certs` tells of it."""

from __future__ import annotations

import stat
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from cryptography import x509

from sampan.aio.clock import SystemClock
from sampan.cli.main import sampan
from sampan.cluster import identities, inspection, options, rotation
from sampan.cluster.authority import Authority
from sampan.cluster.errors import ClusterError
from sampan.cluster.options import Options, completed
from sampan.testing.clock import VirtualClock

DAY = 86400.0


@pytest.fixture
def made(tmp_path: Path) -> Options:
    """The certificates of a cluster."""
    made = completed(Options(data_dir=str(tmp_path), node_name="n1", node_ip="192.0.2.2"))
    options.save(made)
    identities.ensure(made, SystemClock())
    return made


@pytest.fixture
def several(tmp_path: Path) -> Options:
    """Those of a cluster with three etcd members, none of which runs."""
    made = completed(Options(data_dir=str(tmp_path / "several"), node_name="n1", node_ip="192.0.2.2", servers=3))
    options.save(made)
    identities.ensure(made, SystemClock())
    return made


def invoke(made: Options, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(sampan, ["certs", *arguments, "--data-dir", made.data_dir], catch_exceptions=False)
    return result.exit_code, result.output


def trusted(leaf: bytes, bundle: bytes) -> bool:
    certificate = x509.load_pem_x509_certificate(leaf)
    return any(inspection.signed(certificate, ca) for ca in x509.load_pem_x509_certificates(bundle))


def test_each_step_trusts_what_the_last_one_left(made: Options) -> None:
    pki = made.layout.pki
    (old_leaf, old_bundle) = (pki / "apiserver.crt").read_bytes(), (pki / "ca.crt").read_bytes()
    seen = []
    for _ in range(3):
        before_leaf, before_bundle = (pki / "apiserver.crt").read_bytes(), (pki / "ca.crt").read_bytes()
        status, told = invoke(made, "rotate-ca")
        leaf, bundle = (pki / "apiserver.crt").read_bytes(), (pki / "ca.crt").read_bytes()
        assert status == 0 and trusted(leaf, before_bundle) and trusted(before_leaf, bundle) and trusted(leaf, bundle)
        assert invoke(made, "check")[0] == 0
        seen.append(rotation.stage(pki, "ca"))
    assert seen == [rotation.TRUSTING, rotation.REISSUED, rotation.STEADY]
    assert "complete" in told
    assert not trusted(old_leaf, bundle) and not trusted(leaf, old_bundle)
    assert bundle in b"".join(map(inlined, (made.layout.admin_kubeconfig,)))
    assert {stat.S_IMODE(path.stat().st_mode) for path in pki.iterdir()} == {0o600}


def inlined(kubeconfig: Path) -> bytes:
    from sampan.client import kubeconfig as files

    return files.load(kubeconfig).ca or b""


def test_a_key_of_tokens_that_is_being_replaced_is_told(made: Options) -> None:
    for step, told in (("1 of 3", True), ("2 of 3", True), ("3 of 3", False)):
        assert step in invoke(made, "rotate-token-key")[1]
        status, text = invoke(made, "check")
        assert (status, "next: sampan certs rotate-token-key" in text) == (0, told)
    (made.layout.pki / "sa.pub").unlink()
    assert "rotate-token-key" not in invoke(made, "check")[1]


def test_a_first_step_cut_short_is_taken_again(made: Options) -> None:
    pki, clock = made.layout.pki, VirtualClock()
    before = (pki / "ca.crt").read_bytes()
    rotation.trust(pki, "ca", clock)
    (pki / "ca.crt").write_bytes(before)
    assert rotation.stage(pki, "ca") == rotation.STEADY
    rotation.advance(pki, "ca", clock)
    assert rotation.stage(pki, "ca") == rotation.TRUSTING


async def test_what_is_wrong_is_told_with_what_to_do(made: Options) -> None:
    pki = made.layout.pki
    status, text = invoke(made, "check")
    assert status == 0 and "system:node:n1" in text and text.count(" ok") == 14, text
    (pki / "admin.key").chmod(0o644)
    (pki / "scheduler.key").write_bytes((pki / "dns.key").read_bytes())
    (pki / "proxy.crt").write_text("nothing")
    status, text = invoke(made, "check", "-o", "json")
    problems = "\n".join(msgspec.json.decode(text)["problems"])
    assert status == 1 and "chmod 600" in problems and "scheduler: does not belong to the key" in problems
    assert "proxy: cannot be read" in problems
    status, text = invoke(made, "renew", "scheduler", "proxy")
    assert (status, text) == (0, "renewed: scheduler, proxy\n")
    clock = VirtualClock(SystemClock().now())
    await clock.jump(366 * DAY)
    assert sum("has ended" in row.state for row in inspection.inspect(pki, clock).certificates) == 11
    with pytest.raises(ClusterError, match="there is no certificate nobody"):
        invoke(made, "renew", "nobody")


def test_several_servers_have_certificates_for_etcd(tmp_path: Path) -> None:
    made = completed(Options(data_dir=str(tmp_path), node_name="n1", node_ip="192.0.2.2", servers=3))
    options.save(made)
    identities.ensure(made, SystemClock())
    status, text = invoke(made, "check")
    assert (status, text.count("  etcd-ca  ")) == (0, 5), text


def test_files_that_do_not_belong_together_are_not_replaced(made: Options) -> None:
    pki = made.layout.pki
    key = (pki / "ca.key").read_bytes()
    (pki / "ca.key").write_bytes((pki / "kubelet-ca.key").read_bytes())
    with pytest.raises(ClusterError, match="belongs to the key beside it"):
        Authority(pki, SystemClock())
    (pki / "ca.key").unlink()
    with pytest.raises(ClusterError, match="is missing: put it back"):
        Authority(pki, SystemClock())
    (pki / "ca.key").write_bytes(key)
    Authority(pki, SystemClock())


def test_no_cluster_is_told(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="there are no certificates"):
        CliRunner().invoke(sampan, ["certs", "check", "--data-dir", str(tmp_path)], catch_exceptions=False)


def test_etcds_authority_is_replaced_as_the_others_are(several: Options) -> None:
    pki = several.layout.pki
    old = (pki / "etcd-2.crt").read_bytes()
    for _ in range(3):
        before = {name: (pki / f"{name}.crt").read_bytes() for name in ("etcd-2", "apiserver-etcd-client", "etcd-ca")}
        status, told = invoke(several, "rotate-ca", "--authority", "etcd-ca")
        after = {name: (pki / f"{name}.crt").read_bytes() for name in before}
        assert status == 0
        for name in ("etcd-2", "apiserver-etcd-client"):
            assert trusted(after[name], before["etcd-ca"]) and trusted(before[name], after["etcd-ca"])
    assert "complete" in told
    assert not trusted(old, (pki / "etcd-ca.crt").read_bytes())


def test_an_authority_that_the_cluster_has_not(made: Options) -> None:
    result = CliRunner().invoke(sampan, ["certs", "rotate-ca", "--authority", "etcd-ca", "--data-dir", made.data_dir])
    assert result.exit_code == 1 and "no authority etcd-ca" in str(result.exception or result.output)
