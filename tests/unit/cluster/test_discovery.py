"""What a joining machine believes: what its token signed, of authorities it was told, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509

from sampan.client import bootstrap
from sampan.client.bootstrap import Token
from sampan.cluster import discovery
from sampan.cluster.authority import Authority
from sampan.cluster.discovery import believed, checked_pins, digest, kubeconfig_for
from sampan.cluster.errors import ClusterError
from sampan.testing.clock import VirtualClock

TOKEN = Token("abcdef", "0123456789abcdef")


@pytest.fixture
def authority(tmp_path: Path) -> bytes:
    return Authority(tmp_path, VirtualClock()).certificate_file.read_bytes()


def info(content: str, token: Token = TOKEN) -> dict[str, str]:
    return {"kubeconfig": content, f"jws-kubeconfig-{token.id}": bootstrap.signature(content, token)}


def test_what_the_token_vouches_for(authority: bytes) -> None:
    content = kubeconfig_for("https://192.0.2.7:6443", authority)
    pin = digest(x509.load_pem_x509_certificate(authority))
    for pins in ([], [pin], [f"sha256:{'0' * 64}", pin]):
        found = believed(info(content), TOKEN, pins)
        assert (found.server, found.authorities) == ("https://192.0.2.7:6443", authority)
    with pytest.raises(ClusterError, match="none of the cluster's authorities"):
        believed(info(content), TOKEN, [f"sha256:{'0' * 64}"])


def test_what_nobody_vouches_for(authority: bytes) -> None:
    content = kubeconfig_for("https://192.0.2.7:6443", authority)
    good = info(content)
    other = Token("abcdef", "f" * 16)
    cases = {
        "tells nothing": {},
        "is not known there": {"kubeconfig": content},
        "was not signed": {**good, "kubeconfig": content.replace("192.0.2.7", "192.0.2.66")},
        "was not signed with": info(content, other),
        "no usable kubeconfig": info("clusters: [{cluster: {certificate-authority: /etc/passwd, server: x}}]"),
    }
    for why, data in cases.items():
        with pytest.raises(ClusterError, match=why):
            believed(data, TOKEN, [])
    assert "0123456789abcdef" not in repr(TOKEN)


@pytest.mark.parametrize(
    "shown",
    ["", "..", "x..y", "eyJhbGciOiJub25lIiwia2lkIjoiYWJjZGVmIn0..", "eyJhbGciOiJIUzI1NiIsImtpZCI6ImFiY2RlZiJ9.YQ.x"],
)
def test_signatures_that_are_none(shown: str) -> None:
    assert not bootstrap.verified("a kubeconfig", shown, TOKEN)
    assert bootstrap.verified("a kubeconfig", bootstrap.signature("a kubeconfig", TOKEN), TOKEN)


def test_tokens_and_digests_are_checked() -> None:
    for text in ("", "abc.def", "ABCDEF.0123456789abcdef", "abcdef.0123456789abcdef0"):
        with pytest.raises(ValueError, match=r"abcdef\.0123456789abcdef"):
            bootstrap.parse(text)
    assert bootstrap.parse(" abcdef.0123456789abcdef\n") == TOKEN
    for pin in ("", "sha256:12", "md5:" + "0" * 64, "sha256:" + "g" * 64):
        with pytest.raises(ClusterError, match="64 hexadecimal"):
            checked_pins([pin])


async def test_nobody_there() -> None:
    with pytest.raises(ClusterError, match="does not answer"):
        await discovery.discover("https://127.0.0.1:1", TOKEN, [])
