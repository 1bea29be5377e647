"""Rules of PodCertificateRequest: a kubelet asks for a pod's certificate, a signer answers once (KEP-4317).

The request proves that who asks holds the key: by the signature of an empty PKCS#10 request, or by one over the pod's
uid. Source: API reference v1.36.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from sampan.api.errors import FieldError
from sampan.api.names import qualified, subdomain
from sampan.api.validation.conditions import conditions
from sampan.api.validation.metadata import immutable
from sampan.api.validation.problems import NOTHING, each_invalid, invalid, not_supported, required, too_long
from sampan.api.validation.rule import Rule

Errors = list[FieldError]

ENDS = ("Issued", "Denied", "Failed")
UID_LENGTH = 128
KEY_BYTES = 10 * 1024
SHORTEST_SECONDS = 3600
LONGEST_SECONDS = 91 * 24 * 3600
LONGEST_KUBERNETES_SECONDS = 24 * 3600
ONE_END = 'There may be at most one condition with type "Issued", "Denied", or "Failed"'
NAMES = ("podName", "serviceAccountName", "nodeName")
UIDS = ("podUID", "serviceAccountUID", "nodeUID")
ENDED = "immutable after PodCertificateRequest is issued, denied, or failed"
ONLY_CONDITIONS = "non-condition status fields must be empty when denying or failing the PodCertificateRequest"
ISSUED = ("certificateChain", "notBefore", "notAfter", "beginRefreshAt")


def create(obj: Any, errors: Errors) -> None:
    from sampan.api.validation.certificates import signer

    spec = obj.spec
    if spec.signerName:
        signer(spec.signerName, errors, "spec.signerName")
    else:
        errors.append(required("spec.signerName"))
    for key in spec.unverifiedUserAnnotations or {}:
        annotation(key, errors)
    for field in NAMES:
        name = getattr(spec, field) or ""
        errors.extend(each_invalid(f"spec.{field}", name, subdomain(name)))
    for field in UIDS:
        uid(getattr(spec, field) or "", errors, f"spec.{field}")
    if spec.maxExpirationSeconds is None:
        errors.append(required("spec.maxExpirationSeconds", "must be set"))
        return
    lifetime_of(spec.signerName or "", spec.maxExpirationSeconds, errors, "spec.maxExpirationSeconds")
    key_and_proof(spec, errors)


def annotation(key: str, errors: Errors) -> None:
    path = "spec.unverifiedUserAnnotations"
    errors.extend(each_invalid(path, key, qualified(key.lower())))
    if "/" not in key:
        errors.append(invalid(path, key, "must be prefixed by a domain"))


def uid(text: str, errors: Errors, path: str) -> None:
    if not text:
        errors.append(invalid(path, text, "must not be empty"))
    if len(text) > UID_LENGTH:
        errors.append(too_long(path, UID_LENGTH))


def lifetime_of(signer: str, seconds: int, errors: Errors, path: str) -> None:
    """How long a certificate may be asked for: a day of Kubernetes' own signers, a quarter of others."""
    longest = LONGEST_KUBERNETES_SECONDS if signer.split("/")[0].endswith("kubernetes.io") else LONGEST_SECONDS
    if not SHORTEST_SECONDS <= seconds <= longest:
        text = f"must be in the range [{SHORTEST_SECONDS}, {longest}]"
        errors.append(invalid(path, seconds, text))


def key_and_proof(spec: Any, errors: Errors) -> None:
    """The first thing that is wrong with the key."""
    for field in ("stubPKCS10Request", "pkixPublicKey", "proofOfPossession"):
        if len(decoded(getattr(spec, field))) > KEY_BYTES:
            errors.append(too_long(f"spec.{field}", KEY_BYTES))
            return
    if spec.stubPKCS10Request:
        stub(spec.stubPKCS10Request, errors)
    else:
        legacy(spec, errors)


def decoded(text: str | None) -> bytes:
    try:
        return base64.b64decode(text or "")
    except (binascii.Error, ValueError):
        return b""


def stub(text: str, errors: Errors) -> None:
    from cryptography import x509

    path = "spec.stubPKCS10Request"
    try:
        request = x509.load_der_x509_csr(decoded(text))
        if not request.is_signature_valid:
            errors.append(invalid(path, NOTHING, "must be signed by the key it names"))
    except (ValueError, TypeError):
        errors.append(invalid(path, text, "must be a valid PKCS#10 CSR"))


def legacy(spec: Any, errors: Errors) -> None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

    path, signature, uid_ = "spec.pkixPublicKey", decoded(spec.proofOfPossession), (spec.podUID or "").encode()
    try:
        key = serialization.load_der_public_key(decoded(spec.pkixPublicKey))
    except (ValueError, TypeError):
        errors.append(invalid(path, spec.pkixPublicKey or "", "must be a valid PKIX-serialized public key"))
        return
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, uid_)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, uid_, ec.ECDSA(hashes.SHA256()))
        elif isinstance(key, rsa.RSAPublicKey):
            if key.key_size not in (3072, 4096):
                text = "RSA keys must have modulus size 3072 or 4096"
                errors.append(invalid(path, f"{key.key_size}-bit modulus", text))
                return
            salt = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.AUTO)
            key.verify(signature, uid_, salt, hashes.SHA256())
        else:
            text = "unknown public key type; supported types are Ed25519, ECDSA, and RSA"
            errors.append(invalid(path, spec.pkixPublicKey, text))
    except InvalidSignature:
        errors.append(invalid("spec.proofOfPossession", NOTHING, "could not verify proof-of-possession signature"))


def update(new: Any, old: Any, errors: Errors) -> None:
    immutable(new.spec, old.spec, errors, "spec")


def update_status(new: Any, old: Any, errors: Errors) -> None:
    status = new.status
    if status is None:
        return
    found: Errors = []
    ends(status.conditions or (), found)
    conditions(status.conditions, found, "status.conditions")
    errors.extend(found)
    if found:
        return
    if old.status is not None and any(c.type in ENDS for c in old.status.conditions or ()):
        if status != old.status:
            errors.append(invalid("status", status, ENDED))
    elif any(c.type in ("Denied", "Failed") for c in status.conditions or ()):
        if any(getattr(status, field) for field in ISSUED):
            errors.append(invalid("status", status, ONLY_CONDITIONS))
    elif any(c.type == "Issued" for c in status.conditions or ()):
        issued(status, errors)


def ends(given: Any, errors: Errors) -> None:
    """A request ends in one way."""
    for index, condition in enumerate(given):
        path = f"status.conditions[{index}]"
        if condition.type not in ENDS:
            errors.append(not_supported(f"{path}.type", condition.type or "", ("Denied", "Failed", "Issued")))
            continue
        if any(other.type in ENDS for other in given[:index]):
            errors.append(invalid(f"{path}.type", condition.type, ONE_END))
        if condition.status != "True":
            errors.append(not_supported(f"{path}.status", condition.status or "", ("True",)))


def issued(status: Any, errors: Errors) -> None:
    """A certificate comes with the times that are in it."""
    from cryptography import x509

    path, chain = "status.certificateChain", status.certificateChain or ""
    try:
        x509.load_pem_x509_certificates(chain.encode())
    except ValueError:
        text = "issued certificate chain must contain at least one certificate"
        errors.append(invalid(path, chain, text))
        return
    for field in ("notBefore", "notAfter"):
        if not getattr(status, field):
            errors.append(required(f"status.{field}", "must be present and consistent with the issued certificate"))
    if not status.beginRefreshAt:
        text = "must be present and in the range [notbefore+10min, notafter-10min]"
        errors.append(required("status.beginRefreshAt", text))


RULES: dict[str, Rule] = {
    "PodCertificateRequest": Rule(create=create, update=update, subresources={"status": update_status})
}
