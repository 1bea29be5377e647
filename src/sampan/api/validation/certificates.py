"""Rules of the certificates.k8s.io group. Source: API reference v1.36; KEP-1513, KEP-3257 (trust bundles)."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from sampan.api.errors import FieldError
from sampan.api.names import path_segment, subdomain
from sampan.api.validation import podcertificates
from sampan.api.validation.conditions import STATUSES
from sampan.api.validation.metadata import immutable
from sampan.api.validation.problems import (
    duplicate,
    each_invalid,
    forbidden,
    invalid,
    not_supported,
    quote,
    required,
    too_long,
)
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
LEGACY = "kubernetes.io/legacy-unknown"
DECISIONS = ("Approved", "Denied")
SHORTEST_SECONDS = 600
BUNDLE_BYTES = 1024 * 1024
SIGNER_FORM = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
BLOCK = "PEM block type must be CERTIFICATE REQUEST"
BEGIN, END = "-----BEGIN CERTIFICATE REQUEST-----", "-----END CERTIFICATE REQUEST-----"


def create(obj: Any, errors: Errors) -> None:
    spec = obj.spec
    request(spec.request, errors)
    if not spec.usages:
        errors.append(required("spec.usages"))
    usages(spec.usages or (), errors, "spec.usages")
    if spec.signerName == LEGACY:
        text = "the legacy signerName is not allowed via this API version"
        errors.append(invalid("spec.signerName", LEGACY, text))
    elif spec.signerName:
        signer(spec.signerName, errors, "spec.signerName")
    else:
        errors.append(required("spec.signerName"))
    if spec.expirationSeconds is not None and spec.expirationSeconds < SHORTEST_SECONDS:
        text = "may not specify a duration less than 600 seconds (10 minutes)"
        errors.append(invalid("spec.expirationSeconds", spec.expirationSeconds, text))


def usages(given: Any, errors: Errors, path: str) -> None:
    """Known ones, and each once."""
    for index, usage in enumerate(given):
        if usage not in USAGES:
            errors.append(not_supported(f"{path}[{index}]", usage, USAGES))
    seen: set[str] = set()
    for index, usage in enumerate(given):
        if usage in seen:
            errors.append(duplicate(f"{path}[{index}]", usage))
        seen.add(usage)


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
    judged(new, old, errors)


def update_status(new: Any, old: Any, errors: Errors) -> None:
    """A signer sets the certificate, once, and decides nothing."""
    judged(new, old, errors, may_sign=True)


def update_approval(new: Any, old: Any, errors: Errors) -> None:
    judged(new, old, errors, may_decide=True)


def judged(new: Any, old: Any, errors: Errors, *, may_sign: bool = False, may_decide: bool = False) -> None:
    """The status of a request: what was decided stays decided, what was signed stays signed."""
    now, before = conditions_of(new), conditions_of(old)
    alone(now, before, errors)
    certificate, had = (o.status.certificate if o.status is not None else None for o in (new, old))
    if certificate and certificate != had:
        chain(certificate, errors)
    kept(now, before, errors, may_decide)
    if (certificate or "") != (had or ""):
        if not may_sign:
            errors.append(forbidden("status.certificate", "updates may not set certificate content"))
        elif had:
            errors.append(forbidden("status.certificate", "updates may not modify existing certificate content"))


def conditions_of(obj: Any) -> list[Any]:
    return list((obj.status.conditions if obj.status is not None else None) or ())


def alone(now: list[Any], before: list[Any], errors: Errors) -> None:
    """The conditions by themselves; what the old ones had wrong the new ones may have, too."""
    both = {"Approved", "Denied"} <= {c.type for c in before}
    repeated = len({c.type for c in before}) < len(before)
    seen: set[str | None] = set()
    for index, each in enumerate(now):
        path = f"status.conditions[{index}]"
        if not each.type and all(c.type for c in before):
            errors.append(required(f"{path}.type"))
        allowed = ("True",) if each.type in (*DECISIONS, "Failed") else STATUSES
        if not each.status:
            errors.append(required(f"{path}.status"))
        elif each.status not in allowed:
            errors.append(not_supported(f"{path}.status", each.status, allowed))
        if each.type in DECISIONS and not both and seen & (set(DECISIONS) - {each.type}):
            errors.append(invalid(f"{path}.type", each.type, "Approved and Denied conditions are mutually exclusive"))
        if each.type in seen and not repeated:
            errors.append(duplicate(f"{path}.type", each.type))
        seen.add(each.type)


def kept(now: list[Any], before: list[Any], errors: Errors, may_decide: bool) -> None:
    """What was decided stays decided, and others do not decide."""

    def of(given: list[Any], kind: str) -> list[Any]:
        return [c for c in given if c.type == kind]

    path = "status.conditions"
    for kind in (*DECISIONS, "Failed"):
        if len(of(now, kind)) < len(of(before, kind)):
            errors.append(forbidden(path, f"updates may not remove a condition of type {quote(kind)}"))
    for kind in () if may_decide else DECISIONS:
        if len(of(now, kind)) > len(of(before, kind)):
            errors.append(forbidden(path, f"updates may not add a condition of type {quote(kind)}"))


def chain(text: str, errors: Errors) -> None:
    """One or more certificates in PEM."""
    from cryptography import x509

    path, shown = "status.certificate", "<certificate data>"
    pem = decoded(text)
    if "-----BEGIN " not in pem:
        errors.append(invalid(path, shown, "must contain at least one CERTIFICATE PEM block"))
        return
    kinds = re.findall(r"-----BEGIN ([A-Z0-9 ]+)-----", pem)
    other = next((kind for kind in kinds if kind != "CERTIFICATE"), None)
    if other is not None:
        text = f"only CERTIFICATE PEM blocks are allowed, found {quote(other)}"
        errors.append(invalid(path, shown, text))
        return
    try:
        x509.load_pem_x509_certificates(pem.encode())
    except ValueError as error:
        errors.append(invalid(path, shown, str(error)))


def create_bundle(obj: Any, errors: Errors) -> None:
    name_of_bundle(obj, errors)
    anchors(obj.spec.trustBundle or "", errors, "spec.trustBundle")


def name_of_bundle(obj: Any, errors: Errors) -> None:
    """A bundle of a signer's is named after it; one that is nobody's has no colon in its name. The rest is a name."""
    spec = obj.spec
    name = obj.metadata.name or ""
    if spec.signerName:
        signer(spec.signerName, errors, "spec.signerName")
        prefix = spec.signerName.replace("/", ":") + ":"
        if not name.startswith(prefix):
            text = f"ClusterTrustBundle for signerName {spec.signerName} must be named with prefix {prefix}"
            errors.append(invalid("metadata.name", name, text))
        else:
            errors.extend(each_invalid("metadata.name", name, subdomain(name.removeprefix(prefix))))
    elif ":" in name:
        errors.append(
            invalid("metadata.name", name, 'ClusterTrustBundle without signer name must not have ":" in its name')
        )
    else:
        errors.extend(each_invalid("metadata.name", name, subdomain(name)))


BLOCK_OF_PEM = re.compile(r"-----BEGIN ([^-\n]+)-----\n(.*?)-----END \1-----", re.DOTALL)


def anchors(text: str, errors: Errors, path: str) -> None:
    """Authorities' certificates in PEM, each once; the text between blocks is a remark."""
    if len(text.encode()) > BUNDLE_BYTES:
        errors.append(too_long(path, BUNDLE_BYTES))
        return
    found: dict[bytes, list[int]] = {}
    wrong = []
    for index, match in enumerate(BLOCK_OF_PEM.finditer(text)):
        problem, der = anchor(match[1], match[2], match[0])
        if problem:
            wrong.append(f"entry {index} {problem}")
        found.setdefault(der, []).append(index)
    if not found:
        wrong.append("at least one trust anchor must be provided")
    elif not wrong:
        twice = [" ".join(map(str, i)) for i in found.values() if len(i) > 1]
        wrong = [f"duplicate trust anchor (indices [{indices}])" for indices in twice]
    errors.extend(invalid(path, "<value omitted>", text) for text in wrong)


def anchor(kind: str, body: str, block: str) -> tuple[str, bytes]:
    """(what is wrong with a block, its bytes)."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    if kind != "CERTIFICATE":
        return f"has bad block type: {kind}", b""
    if ":" in body:
        return "has PEM block headers", b""
    try:
        certificate = x509.load_pem_x509_certificate(block.encode())
    except ValueError:
        return "does not parse as X.509", b""
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (x509.ExtensionNotFound, ValueError):
        return "does not have the CA bit set", b""
    return "" if constraints.ca else "does not have the CA bit set", certificate.public_bytes(
        serialization.Encoding.DER
    )


def update_bundle(new: Any, old: Any, errors: Errors) -> None:
    """A bundle that stays is not read again."""
    name_of_bundle(new, errors)
    if new.spec.trustBundle != old.spec.trustBundle:
        anchors(new.spec.trustBundle or "", errors, "spec.trustBundle")
    immutable(new.spec.signerName, old.spec.signerName, errors, "spec.signerName")


RULES: dict[str, Rule] = {
    "CertificateSigningRequest": Rule(
        name=path_segment,
        create=create,
        update=update,
        subresources={"status": update_status, "approval": update_approval},
    ),
    "ClusterTrustBundle": Rule(name=path_segment, create=create_bundle, update=update_bundle, any_version=True),
    **podcertificates.RULES,
}
