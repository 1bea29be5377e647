"""Rules of the certificates.k8s.io group. Source: API reference v1.36; KEP-1513, KEP-3257 (trust bundles)."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from sampan.api.errors import FieldError
from sampan.api.names import path_segment, subdomain
from sampan.api.validation.metadata import immutable
from sampan.api.validation.problems import duplicate, forbidden, invalid, not_supported, required
from sampan.api.validation.rule import Rule

GROUP = "certificates.k8s.io"
Errors = list[FieldError]

USAGES = (
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
)
SHORTEST_SECONDS = 600
SIGNER_FORM = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
BLOCK = "PEM block type must be CERTIFICATE REQUEST"
BEGIN, END = "-----BEGIN CERTIFICATE REQUEST-----", "-----END CERTIFICATE REQUEST-----"


def create(obj: Any, errors: Errors) -> None:
    spec = obj.spec
    request(spec.request, errors)
    if not spec.usages:
        errors.append(required("spec.usages"))
    seen: set[str] = set()
    for index, usage in enumerate(spec.usages or ()):
        if usage not in USAGES:
            errors.append(not_supported(f"spec.usages[{index}]", usage, USAGES))
        elif usage in seen:
            errors.append(duplicate(f"spec.usages[{index}]", usage))
        seen.add(usage)
    if spec.signerName:
        signer(spec.signerName, errors, "spec.signerName")
    else:
        errors.append(required("spec.signerName"))
    if spec.expirationSeconds is not None and spec.expirationSeconds < SHORTEST_SECONDS:
        text = "may not specify a duration less than 600 seconds (10 minutes)"
        errors.append(invalid("spec.expirationSeconds", spec.expirationSeconds, text))


def request(text: str | None, errors: Errors) -> None:
    """A PEM block with a certificate request in it."""
    pem = decoded(text)
    if BEGIN not in pem or END not in pem:
        errors.append(invalid("spec.request", text, BLOCK))
        return
    from cryptography import x509

    try:
        x509.load_pem_x509_csr(pem.encode())
    except ValueError as error:
        errors.append(invalid("spec.request", text, str(error)))


def decoded(text: str | None) -> str:
    try:
        return base64.b64decode(text or "").decode(errors="replace")
    except (binascii.Error, ValueError):
        return ""


def signer(name: str, errors: Errors, path: str) -> None:
    domain, slash, rest = name.partition("/")
    if not slash or not rest or "/" in rest:
        errors.append(invalid(path, name, SIGNER_FORM))
        return
    for part in domain.split("."):
        if subdomain(part):
            errors.append(invalid(path, domain, f"validating label {part!r}: {subdomain(part)[0]}"))
    if len(domain.split(".")) < 2:
        errors.append(invalid(path, domain, "should be a domain with at least two segments separated by dots"))
    errors.extend(invalid(path, rest, wrong) for wrong in subdomain(rest))


def update(new: Any, old: Any, errors: Errors) -> None:
    immutable(new.spec, old.spec, errors, "spec")
    conditions(new, old, errors)


def conditions(new: Any, old: Any, errors: Errors) -> None:
    """What was decided stays decided."""
    now = {(c.type, c.status) for c in (new.status.conditions if new.status else None) or ()}
    for kind in ("Approved", "Denied", "Failed"):
        before = [c for c in (old.status.conditions if old.status else None) or () if c.type == kind]
        if before and not any(t == kind for t, _ in now):
            errors.append(
                forbidden("status.conditions", f"updates may not remove a condition of type {kind!r}".replace("'", '"'))
            )
    if {"Approved", "Denied"} <= {t for t, _ in now}:
        errors.append(
            invalid("status.conditions[1].type", "Denied", "Approved and Denied conditions are mutually exclusive")
        )


def update_status(new: Any, old: Any, errors: Errors) -> None:
    conditions(new, old, errors)


def create_bundle(obj: Any, errors: Errors) -> None:
    spec = obj.spec
    name = obj.metadata.name or ""
    if spec.signerName:
        signer(spec.signerName, errors, "spec.signerName")
        prefix = spec.signerName.replace("/", ":") + ":"
        if not name.startswith(prefix):
            text = f"ClusterTrustBundle for signerName {spec.signerName} must be named with prefix {prefix}"
            errors.append(invalid("metadata.name", name, text))
    if "-----BEGIN CERTIFICATE-----" not in (spec.trustBundle or ""):
        errors.append(invalid("spec.trustBundle", "<value omitted>", "at least one trust anchor must be provided"))


def update_bundle(new: Any, old: Any, errors: Errors) -> None:
    create_bundle(new, errors)
    immutable(new.spec.signerName, old.spec.signerName, errors, "spec.signerName")


RULES: dict[str, Rule] = {
    "CertificateSigningRequest": Rule(
        name=path_segment,
        create=create,
        update=update,
        subresources={"status": update_status, "approval": conditions},
    ),
    "ClusterTrustBundle": Rule(name=path_segment, create=create_bundle, update=update_bundle, any_version=True),
}
