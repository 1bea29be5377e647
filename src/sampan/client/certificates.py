"""Asking the API for a certificate: a key made here, a CertificateSigningRequest, the wait for its answer.

The request's name is made of the key and what is asked for, so whoever was cut short asks again under the same name
and gets the certificate that may have been issued meanwhile. The key never leaves the machine.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sampan.aio.clock import Clock
from sampan.api.errors import AlreadyExists
from sampan.api.kinds import certificates_v1, meta_v1
from sampan.client.errors import ClientError
from sampan.client.interface import Client

LOOK_SECONDS = 0.5
SLOWEST_SECONDS = 10.0
USAGES = ("digital signature",)


class Unsigned(ClientError):
    """The request was not answered in time; the text says what to do."""


class Refused(Unsigned):
    """The request was denied or failed, and will never be signed; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is asked for; `usage` is "client auth" or "server auth", `hosts` for a server."""

    signer: str
    user: str
    groups: tuple[str, ...]
    usage: str
    hosts: tuple[str, ...] = ()
    seconds: int | None = None


def new_key() -> bytes:
    """PEM."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def signing_request(key: bytes, wanted: Wanted) -> Any:
    """The API object. `key` is PEM."""
    private = serialization.load_pem_private_key(key, None)
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in wanted.groups]
    subject = x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, wanted.user)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if wanted.hosts:
        names = x509.SubjectAlternativeName([_name(host) for host in wanted.hosts])
        builder = builder.add_extension(names, critical=False)
    pem = builder.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)  # type: ignore[arg-type]
    return certificates_v1.CertificateSigningRequest(
        metadata=meta_v1.ObjectMeta(name=_request_name(private, wanted)),
        spec=certificates_v1.CertificateSigningRequestSpec(
            request=base64.b64encode(pem).decode(),
            signerName=wanted.signer,
            usages=[*USAGES, wanted.usage],
            expirationSeconds=wanted.seconds,
        ),
    )


async def ask(client: Client, clock: Clock, key: bytes, wanted: Wanted, *, patience: float) -> bytes:
    """The certificate, PEM, once it is signed. Raises Unsigned after `patience` seconds, Refused, ApiError and
    Unreachable."""
    obj = signing_request(key, wanted)
    name = obj.metadata.name
    try:
        obj = await client.create(obj)
    except AlreadyExists:
        obj = await client.get(certificates_v1.CertificateSigningRequest, name)
    deadline, wait = clock.monotonic() + patience, LOOK_SECONDS
    while True:
        found = answer(obj)
        if found is not None:
            return found
        if clock.monotonic() >= deadline:
            raise Unsigned(
                f"certificate request {name} was not signed within {patience:.0f} s: `kubectl get csr {name}` shows "
                f"what it waits for; `kubectl certificate approve {name}` approves it by hand"
            )
        await clock.sleep(wait)
        wait = min(wait * 2, SLOWEST_SECONDS)
        obj = await client.get(certificates_v1.CertificateSigningRequest, name)


def answer(obj: Any) -> bytes | None:
    """The certificate in a request's status; None while there is none. Raises Refused for one that never will be."""
    status = obj.status
    for condition in (status.conditions if status is not None else None) or ():
        if condition.type in ("Denied", "Failed"):
            why = f": {condition.message}" if condition.message else ""
            raise Refused(f"certificate request {obj.metadata.name} was {condition.type.lower()}{why}")
    return base64.b64decode(status.certificate) if status is not None and status.certificate else None


def _request_name(private: Any, wanted: Wanted) -> str:
    public = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    digest = hashlib.sha256(b"\0".join([public, *(part.encode() for part in _parts(wanted))])).hexdigest()
    return f"node-csr-{digest[:40]}"


def _parts(wanted: Wanted) -> Sequence[str]:
    return (wanted.signer, wanted.user, *wanted.groups, wanted.usage, *wanted.hosts)


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
