"""The cluster's own certificates: one authority, and an identity for every component.

Made at first start below `<data-dir>/pki`, in the file layout that kubeadm users know (`ca.crt`, `apiserver.crt`,
`apiserver-kubelet-client.crt`, `sa.key`, ...), keys readable by their owner alone. An identity is a certificate's
common name (the user) and its organizations (the groups): "PKI certificates and requirements" in the documentation.
"""

from __future__ import annotations

import datetime
import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sampan.aio.clock import Clock
from sampan.cluster.layout import Layout, write_private

CA_DAYS = 3650
LEAF_DAYS = 365
RENEW_BELOW_DAYS = 90
BACKDATED = datetime.timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who a certificate speaks for. With `hosts` it is a server's certificate, too."""

    file: str
    user: str
    groups: tuple[str, ...] = ()
    hosts: tuple[str, ...] = field(default=())
    client: bool = True


COMPONENTS = (
    Identity(file="admin", user="kubernetes-admin", groups=("system:masters",)),
    Identity(file="controller-manager", user="system:kube-controller-manager"),
    Identity(file="scheduler", user="system:kube-scheduler"),
    Identity(file="proxy", user="system:kube-proxy"),
    Identity(file="dns", user="system:kube-dns"),
    Identity(file="apiserver-kubelet-client", user="kube-apiserver-kubelet-client", groups=("system:masters",)),
)


class Authority:
    """Signs certificates with the key of `<pki>/ca.key`, which it makes when there is none."""

    def __init__(self, pki: Path, clock: Clock, name: str = "ca", common_name: str = "sampan-ca") -> None:
        self.pki = pki
        self._clock = clock
        self.certificate_file = pki / f"{name}.crt"
        self.key_file = pki / f"{name}.key"
        if not self.certificate_file.exists():
            self._create(common_name)
        self.certificate = x509.load_pem_x509_certificate(self.certificate_file.read_bytes())
        self._key = _load_key(self.key_file)

    def ensure(self, identity: Identity) -> tuple[Path, Path]:
        """The identity's certificate and key files, made or renewed when missing, near expiry or for other hosts."""
        certificate, key = self.pki / f"{identity.file}.crt", self.pki / f"{identity.file}.key"
        if not (key.exists() and certificate.exists() and self._serves(certificate, identity)):
            signed, private = self.issue(identity)
            write_private(key, private)
            write_private(certificate, signed)
        return certificate, key

    def issue(self, identity: Identity) -> tuple[bytes, bytes]:
        """A new certificate and its key, PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH] if identity.client else []
        if identity.hosts:
            usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
        builder = (
            self._builder(_subject(identity), key.public_key(), LEAF_DAYS)
            .issuer_name(self.certificate.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if identity.hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName(_names(identity.hosts)), critical=False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM), _pem(key)

    def _create(self, common_name: str) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        certificate = (
            self._builder(subject, key.public_key(), CA_DAYS)
            .issuer_name(subject)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_key_usage(digital_signature=True, key_cert_sign=True, crl_sign=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        write_private(self.key_file, _pem(key))
        write_private(self.certificate_file, certificate.public_bytes(serialization.Encoding.PEM))

    def _builder(self, subject: x509.Name, public_key: ec.EllipticCurvePublicKey, days: int) -> x509.CertificateBuilder:
        now = self._now()
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - BACKDATED)
            .not_valid_after(now + datetime.timedelta(days=days))
        )

    def _serves(self, file: Path, identity: Identity) -> bool:
        certificate = x509.load_pem_x509_certificate(file.read_bytes())
        remaining = certificate.not_valid_after_utc - self._now()
        return (
            remaining.days >= RENEW_BELOW_DAYS
            and certificate.issuer == self.certificate.subject
            and set(identity.hosts) <= _hosts(certificate)
        )

    def _now(self) -> datetime.datetime:
        return datetime.datetime.fromtimestamp(self._clock.now(), datetime.UTC)


def ensure_all(layout: Layout, clock: Clock, *, hosts: Sequence[str], node_name: str, node_ip: str) -> Authority:
    """Every certificate a one-machine cluster needs, below `layout.pki`. `hosts` are the API server's names."""
    authority = Authority(layout.pki, clock)
    node = Identity(
        file="kubelet",
        user=f"system:node:{node_name}",
        groups=("system:nodes",),
        hosts=tuple(dict.fromkeys((node_name, node_ip, "127.0.0.1"))),
    )
    server = Identity(file="apiserver", user="kube-apiserver", hosts=tuple(dict.fromkeys(hosts)), client=False)
    for identity in (*COMPONENTS, server, node):
        authority.ensure(identity)
    ensure_service_account_key(layout.pki)
    return authority


def ensure_service_account_key(pki: Path) -> Path:
    """The key that service account tokens are signed with (`sa.key`, its public half `sa.pub`)."""
    path = pki / "sa.key"
    if not path.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        write_private(pki / "sa.pub", public)
        write_private(path, _pem(key))
    return path


def api_hosts(service_ip: str, domain: str, *, bind_address: str, node_ip: str) -> list[str]:
    """The names and addresses an API server answers to."""
    service = "kubernetes.default.svc"
    names = ["localhost", "kubernetes", "kubernetes.default", service, f"{service}.{domain}", socket.gethostname()]
    addresses = ["127.0.0.1", "::1", service_ip, node_ip]
    if bind_address not in ("0.0.0.0", "::", ""):
        addresses.append(bind_address)
    return [*names, *dict.fromkeys(addresses)]


def _subject(identity: Identity) -> x509.Name:
    groups = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in identity.groups]
    return x509.Name([*groups, x509.NameAttribute(NameOID.COMMON_NAME, identity.user)])


def _names(hosts: Sequence[str]) -> list[x509.GeneralName]:
    return [_general_name(host) for host in hosts]


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _hosts(certificate: x509.Certificate) -> set[str]:
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


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def _load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{path} holds no elliptic-curve key: remove it and its certificate to have both made anew")
    return key
