"""Making the certificate that a request asks for. Pure: authority, times and serial come from outside.

What is taken from the request is its subject, its key and its names; never its extensions, so nobody becomes an
authority by asking.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from sampan.controllers.certificates.request import alternative_names

SHORTEST_SECONDS = 600
BACKDATED_SECONDS = 300.0
UNDATED_BELOW_SECONDS = 8 * 3600.0
"""A certificate shorter than this is not backdated."""

EXTENDED = {
    "any": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    "server auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "client auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "code signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "email protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "s/mime": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "ipsec end system": ObjectIdentifier("1.3.6.1.5.5.7.3.5"),
    "ipsec tunnel": ObjectIdentifier("1.3.6.1.5.5.7.3.6"),
    "ipsec user": ObjectIdentifier("1.3.6.1.5.5.7.3.7"),
    "timestamping": ExtendedKeyUsageOID.TIME_STAMPING,
    "ocsp signing": ExtendedKeyUsageOID.OCSP_SIGNING,
    "microsoft sgc": ObjectIdentifier("1.3.6.1.4.1.311.10.3.3"),
    "netscape sgc": ObjectIdentifier("2.16.840.1.113730.4.1"),
}
BASIC = {
    "signing": "digital_signature",
    "digital signature": "digital_signature",
    "content commitment": "content_commitment",
    "key encipherment": "key_encipherment",
    "key agreement": "key_agreement",
    "data encipherment": "data_encipherment",
    "cert sign": "key_cert_sign",
    "crl sign": "crl_sign",
    "encipher only": "encipher_only",
    "decipher only": "decipher_only",
}


@dataclass(frozen=True)
class Signing:
    """An authority that can sign: its certificate and its private key."""

    certificate: x509.Certificate
    key: Any

    @classmethod
    def load(cls, certificates: Path, key: Path) -> Signing:
        """The one of the bundle that the key belongs to. Raises OSError and ValueError."""
        private: Any = serialization.load_pem_private_key(key.read_bytes(), None)
        for certificate in x509.load_pem_x509_certificates(certificates.read_bytes()):
            if certificate.public_key() == private.public_key():
                return cls(certificate, private)
        raise ValueError(f"no certificate in {certificates} belongs to {key}")


def duration(asked: int | None, longest: float) -> float:
    """Seconds that a certificate is good for: what was asked, within ten minutes and the signer's longest."""
    return longest if asked is None else min(max(asked, SHORTEST_SECONDS), longest)


def certificate(
    request: x509.CertificateSigningRequest, usages: list[str], *, by: Signing, seconds: float, now: float
) -> bytes:
    """PEM. Raises Unfit for names that cannot be read and ValueError for an authority that has ended."""
    begin = now - (BACKDATED_SECONDS if seconds >= UNDATED_BELOW_SECONDS else 0.0)
    end = min(_moment(now + seconds), by.certificate.not_valid_after_utc)
    if end <= _moment(now):
        raise ValueError("the signing authority has ended")
    builder = (
        x509.CertificateBuilder()
        .subject_name(request.subject)
        .issuer_name(by.certificate.subject)
        .public_key(request.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_moment(begin))
        .not_valid_after(end)
        .add_extension(_key_usage(usages), critical=True)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.key.public_key()), critical=False)
    )
    extended = [EXTENDED[usage] for usage in usages if usage in EXTENDED]
    if extended:
        builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=False)
    names = alternative_names(request)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=not request.subject.rdns)
    return builder.sign(by.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _key_usage(usages: list[str]) -> x509.KeyUsage:
    wanted = {BASIC[usage] for usage in usages if usage in BASIC}
    if not wanted & {"key_agreement"}:
        # Without key agreement the two below mean nothing, and cannot be written.
        wanted -= {"encipher_only", "decipher_only"}
    return x509.KeyUsage(**{name: name in wanted for name in set(BASIC.values())})


def _moment(epoch: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(int(epoch), datetime.UTC)
