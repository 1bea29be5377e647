"""What the signers demand, what they put into a certificate, and when requests are cleared away."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from sampan.aio.clock import timestamp
from sampan.api.kinds import certificates_v1, meta_v1
from sampan.cluster.authority import Authority
from sampan.controllers.certificates import request as asked
from sampan.controllers.certificates import sign
from sampan.controllers.certificates.cleaner import clearance
from sampan.controllers.certificates.request import Unfit
from sampan.controllers.certificates.sign import Signing
from sampan.controllers.certificates.signer import CertificateSigningController
from sampan.controllers.context import Config
from sampan.testing.clock import START, VirtualClock
from tests.unit.controllers.certificates import encoded_request
from tests.unit.controllers.harness import world

NODE: dict[str, Any] = {"user": "system:node:n1", "groups": ["system:nodes"]}
CLIENT = ("digital signature", "client auth")
SERVER = ("digital signature", "key encipherment", "server auth")


@pytest.mark.parametrize(
    ("signer", "request_", "usages", "why"),
    [
        (asked.KUBELET_CLIENT, NODE, CLIENT, ""),
        (asked.KUBELET_CLIENT, NODE, (*CLIENT, "key encipherment"), ""),
        (asked.KUBELET_CLIENT, NODE, (*CLIENT, "server auth"), "usages"),
        (asked.KUBELET_CLIENT, {**NODE, "names": ["n1"]}, CLIENT, "DNS subjectAltNames are not allowed"),
        (asked.KUBELET_CLIENT, {**NODE, "groups": ["system:nodes", "x"]}, CLIENT, "organization"),
        (asked.KUBELET_CLIENT, {**NODE, "user": "jane"}, CLIENT, "common name"),
        (asked.KUBELET_SERVING, {**NODE, "names": ["n1", "192.0.2.1"]}, SERVER, ""),
        (asked.KUBELET_SERVING, NODE, SERVER, "DNS or IP subjectAltName is required"),
        (asked.KUBELET_SERVING, {**NODE, "names": ["n1", "https://x"]}, SERVER, "URI"),
        (asked.KUBELET_SERVING, {**NODE, "names": ["n1", "a@b"]}, SERVER, "Email"),
        (asked.KUBELET_SERVING, {**NODE, "names": ["n1"]}, CLIENT, "usages"),
        (asked.CLIENT, {"user": "jane", "groups": ["devs"]}, ("client auth",), ""),
        (asked.CLIENT, {"user": "jane"}, ("digital signature",), "usages"),
        (asked.CLIENT, {"user": "jane"}, (*CLIENT, "server auth"), "usages"),
        (asked.LEGACY, {"user": "web", "names": ["web"]}, SERVER, ""),
    ],
)
def test_what_a_signer_demands(signer: str, request_: dict[str, Any], usages: tuple[str, ...], why: str) -> None:
    parsed = asked.decoded(encoded_request(**request_))
    try:
        asked.SIGNERS[signer](parsed, frozenset(usages))
    except Unfit as unfit:
        assert why and why in str(unfit)
    else:
        assert not why


def test_requests_that_are_none() -> None:
    good = base64.b64decode(encoded_request(user="a"))
    der = bytearray(base64.b64decode(b"".join(good.splitlines()[1:-1])))
    der[-1] ^= 1
    broken = b"-----BEGIN CERTIFICATE REQUEST-----\n%s\n-----END CERTIFICATE REQUEST-----\n" % base64.b64encode(der)
    for text in (None, "", "!", base64.b64encode(b"x").decode(), base64.b64encode(broken).decode()):
        with pytest.raises(Unfit):
            asked.decoded(text)


def test_how_long_it_is_good() -> None:
    assert [sign.duration(each, 86400.0) for each in (None, 1, 3600, 10**9)] == [86400.0, 600, 3600, 86400.0]


def test_what_is_in_the_certificate(tmp_path: Path) -> None:
    clock = VirtualClock()
    authority = Authority(tmp_path, clock)
    by = Signing.load(authority.certificate_file, authority.key_file)
    parsed = asked.decoded(encoded_request(**NODE, names=["n1", "192.0.2.1"]))
    pem = sign.certificate(parsed, list(SERVER), by=by, seconds=86400.0, now=clock.now())
    made = x509.load_pem_x509_certificate(pem)
    made.verify_directly_issued_by(authority.certificate)
    assert made.not_valid_before_utc.timestamp() == START - 300
    assert made.not_valid_after_utc.timestamp() == START + 86400
    usage = made.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature and usage.key_encipherment and not usage.key_cert_sign
    extended = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(extended) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert not made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    longer = sign.certificate(parsed, ["cert sign"], by=by, seconds=1e9, now=clock.now())
    assert x509.load_pem_x509_certificate(longer).not_valid_after_utc == authority.certificate.not_valid_after_utc
    with pytest.raises(ValueError, match="has ended"):
        sign.certificate(parsed, [], by=by, seconds=60, now=clock.now() + 4e8)


async def test_a_signer_without_its_key_waits_for_it(tmp_path: Path) -> None:
    authority = Authority(tmp_path, VirtualClock())
    key = authority.key_file.read_bytes()
    authority.key_file.unlink()
    config = Config(signing={asked.CLIENT: (authority.certificate_file, authority.key_file)})
    async with world(CertificateSigningController, config=config) as w:
        w.api.add(signing_request("jane", Approved=0.0))
        await w.settle(2)
        assert w.writes() == []
        authority.key_file.write_bytes(key)
        await w.settle(120)
        assert w.writes() == ["update certificatesigningrequests/status jane"]


def signing_request(name: str, certificate: str | None = None, **conditions: float) -> Any:
    """Made at the start of time, with conditions set so many seconds later."""
    made = [
        certificates_v1.CertificateSigningRequestCondition(
            type=kind, status="True", lastUpdateTime=timestamp(START + at)
        )
        for kind, at in conditions.items()
    ]
    return certificates_v1.CertificateSigningRequest(
        metadata=meta_v1.ObjectMeta(name=name, creationTimestamp=timestamp(START)),
        spec=certificates_v1.CertificateSigningRequestSpec(
            signerName=asked.CLIENT, usages=list(CLIENT), request=encoded_request(user="jane")
        ),
        status=certificates_v1.CertificateSigningRequestStatus(conditions=made or None, certificate=certificate),
    )


@pytest.mark.parametrize(
    ("obj", "seconds"),
    [
        (signing_request("a"), 86400),
        (signing_request("a", Approved=50), 86450),
        (signing_request("a", Approved=50, certificate="eA=="), 3650),
        (signing_request("a", Denied=50), 3650),
        (signing_request("a", Approved=10, Failed=50), 3650),
    ],
)
def test_when_a_request_is_cleared_away(obj: Any, seconds: float) -> None:
    assert clearance(obj) == START + seconds


def test_one_whose_certificate_has_ended_goes_then(tmp_path: Path) -> None:
    authority = Authority(tmp_path, VirtualClock(), leaf_seconds=600)
    from sampan.cluster.authority import Identity

    pem = authority.issue(Identity(file="x", user="x"))[0]
    obj = signing_request("a", Approved=0, certificate=base64.b64encode(pem).decode())
    assert clearance(obj) == START + 600
