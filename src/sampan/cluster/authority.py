"""A certificate authority kept in two files, and what it signs.

`<name>.crt` is a bundle: every authority that is trusted for this purpose. `<name>.key` signs, and the certificate of
the bundle that it belongs to is the one that signs. So the files alone tell where a change of the authority stands
(`cluster.rotation`), and replacing the key, one atomic rename, is what moves the signing from the old to the new one.

A certificate is kept as long as it serves: its key is the one beside it, this authority signed it, it names this user,
these groups and these hosts, and less than `RENEW_AT` of its life has passed. Keys are readable by their owner alone.
"""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sampan.aio.clock import Clock
from sampan.client.renewal import RENEW_AT, Life
from sampan.cluster.errors import ClusterError
from sampan.cluster.layout import write_private

DAY_SECONDS = 86400.0
CA_SECONDS = 3650 * DAY_SECONDS
LEAF_SECONDS = 365 * DAY_SECONDS
BACKDATED_SECONDS = 300.0
SHORT_SECONDS = 8 * 3600.0
"""Shorter lives are not backdated, as upstream's signer does; longer ones are, for machines whose clocks are behind."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who a certificate speaks for, and the authority that says so. With `hosts` it is a server's certificate, too."""

    file: str
    user: str
    groups: tuple[str, ...] = ()
    hosts: tuple[str, ...] = field(default=())
    client: bool = True
    authority: str = "ca"


class Authority:
    """Signs with the key of `<pki>/<name>.key`, which it makes, with its certificate, when there is neither.

    `leaf_seconds` is how long what it signs is good for. Raises ClusterError for files that do not belong together.
    """

    def __init__(
        self,
        pki: Path,
        clock: Clock,
        name: str = "ca",
        common_name: str = "sampan-ca",
        *,
        leaf_seconds: float = LEAF_SECONDS,
    ) -> None:
        self.pki = pki
        self._clock = clock
        self._leaf_seconds = leaf_seconds
        self.certificate_file = pki / f"{name}.crt"
        self.key_file = pki / f"{name}.key"
        if not self.certificate_file.exists():
            key, certificate = new_authority(common_name, clock)
            write_private(self.key_file, pem(key))
            write_private(self.certificate_file, pem_of(certificate))
        self.bundle = x509.load_pem_x509_certificates(self.certificate_file.read_bytes())
        self._key = load_key(self.key_file)
        self.certificate = _of_key(self.bundle, self._key, self.certificate_file)

    def ensure(self, identity: Identity) -> tuple[Path, Path]:
        """The identity's certificate and key files, made anew when missing, near their end, or no longer right."""
        certificate, key = self.pki / f"{identity.file}.crt", self.pki / f"{identity.file}.key"
        if not self._serves(certificate, key, identity):
            self.renew(identity)
        return certificate, key

    def renew(self, identity: Identity) -> None:
        """Makes the identity's files anew."""
        signed, private = self.issue(identity)
        write_private(self.pki / f"{identity.file}.key", private)
        write_private(self.pki / f"{identity.file}.crt", signed)

    def issue(self, identity: Identity) -> tuple[bytes, bytes]:
        """A new certificate and its key, PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH] if identity.client else []
        if identity.hosts:
            usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
        builder = (
            _builder(_subject(identity), key.public_key(), self._clock, self._leaf_seconds, self.certificate)
            .issuer_name(self.certificate.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if identity.hosts:
            names = [_general_name(host) for host in identity.hosts]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return pem_of(builder.sign(self._key, hashes.SHA256())), pem(key)

    def signed(self, certificate: x509.Certificate) -> bool:
        """Whether this authority's present key signed that certificate."""
        try:
            certificate.verify_directly_issued_by(self.certificate)
        except (InvalidSignature, ValueError, TypeError):
            return False
        return True

    def _serves(self, file: Path, key: Path, identity: Identity) -> bool:
        try:
            certificate, private = x509.load_pem_x509_certificate(file.read_bytes()), load_key(key)
        except (OSError, ValueError, ClusterError):
            return False
        return (
            Life.of(certificate).share(self._clock.now()) < RENEW_AT
            and self.signed(certificate)
            and certificate.public_key() == private.public_key()
            and certificate.subject == _subject(identity)
            and set(identity.hosts) <= hosts_of(certificate)
        )


def new_authority(common_name: str, clock: Clock) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    """A new authority's key and its certificate, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    usage = _key_usage(digital_signature=True, key_cert_sign=True, crl_sign=True)
    certificate = (
        _builder(subject, key.public_key(), clock, CA_SECONDS)
        .issuer_name(subject)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return key, certificate


def _builder(
    subject: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    clock: Clock,
    seconds: float,
    issuer: x509.Certificate | None = None,
) -> x509.CertificateBuilder:
    """Names, key, serial and times; nothing outlives its issuer."""
    now = clock.now()
    backdated = BACKDATED_SECONDS if seconds >= SHORT_SECONDS else 0.0
    end = _moment(now + seconds)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_moment(now - backdated))
        .not_valid_after(min(end, issuer.not_valid_after_utc) if issuer is not None else end)
    )


def _moment(epoch: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(epoch, datetime.UTC)


def _of_key(bundle: Sequence[x509.Certificate], key: ec.EllipticCurvePrivateKey, file: Path) -> x509.Certificate:
    """The certificate of the bundle that the key belongs to."""
    for certificate in bundle:
        if certificate.public_key() == key.public_key():
            return certificate
    raise ClusterError(
        f"no certificate in {file} belongs to the key beside it: put the right one back from a backup, or remove both "
        "to have a new authority made (every certificate is then made anew, and other machines must join again)"
    )


def _subject(identity: Identity) -> x509.Name:
    groups = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in identity.groups]
    return x509.Name([*groups, x509.NameAttribute(NameOID.COMMON_NAME, identity.user)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def hosts_of(certificate: x509.Certificate) -> set[str]:
    """The names and addresses a server's certificate is for."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {str(name.value) for name in names}


def _key_usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def pem_of(*certificates: x509.Certificate) -> bytes:
    return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates)


def pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Raises ClusterError for a key that is missing or of another kind."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except FileNotFoundError:
        raise ClusterError(f"the key {path} is missing: put it back from a backup") from None
    except ValueError as error:
        raise ClusterError(f"{path} is no private key ({error}): put the right one back from a backup") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ClusterError(f"{path} holds no elliptic-curve key: remove it and its certificate to have both made anew")
    return key
