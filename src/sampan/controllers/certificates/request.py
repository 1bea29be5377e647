"""What a CertificateSigningRequest asks for, and what each built-in signer demands of it. Pure.

Source: "Certificate Signing Requests", section "Kubernetes signers"
(https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#kubernetes-signers).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

PREFIX = "kubernetes.io/"
CLIENT = f"{PREFIX}kube-apiserver-client"
KUBELET_CLIENT = f"{PREFIX}kube-apiserver-client-kubelet"
KUBELET_SERVING = f"{PREFIX}kubelet-serving"
LEGACY = f"{PREFIX}legacy-unknown"
NODE_PREFIX = "system:node:"
NODES = ["system:nodes"]
CLIENT_USAGES = frozenset({"digital signature", "key encipherment", "client auth"})
SERVING_USAGES = frozenset({"digital signature", "key encipherment", "server auth"})
OPTIONAL_USAGE = "key encipherment"


class Unfit(Exception):
    """The request is not what its signer signs; the text says why."""


def decoded(request: str | None) -> x509.CertificateSigningRequest:
    """The certificate request in `spec.request` (base64 of PEM). Raises Unfit, also for one not signed by its key."""
    try:
        parsed = x509.load_pem_x509_csr(base64.b64decode(request or ""))
        good = parsed.is_signature_valid
    except (ValueError, binascii.Error, TypeError) as error:
        raise Unfit(f"unable to parse certificate request: {error}") from None
    if not good:
        raise Unfit("unable to verify certificate request signature")
    return parsed


def common_name(request: x509.CertificateSigningRequest) -> str:
    found = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[-1].value) if found else ""


def organizations(request: x509.CertificateSigningRequest) -> list[str]:
    return [str(a.value) for a in request.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]


def alternative_names(request: x509.CertificateSigningRequest) -> list[x509.GeneralName]:
    """Raises Unfit for extensions that cannot be read."""
    try:
        return list(request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return []
    except (ValueError, x509.DuplicateExtension) as error:
        raise Unfit(f"unable to parse certificate request: {error}") from None


def _node(request: x509.CertificateSigningRequest) -> None:
    if organizations(request) != NODES:
        raise Unfit("subject organization is not system:nodes")
    if not common_name(request).startswith(NODE_PREFIX):
        raise Unfit("subject common name does not begin with system:node: ")


def _none_of(names: Iterable[x509.GeneralName], kinds: dict[type, str]) -> None:
    for name in names:
        if type(name) in kinds:
            raise Unfit(f"{kinds[type(name)]} subjectAltNames are not allowed")


def _usages(given: frozenset[str], wanted: frozenset[str], purpose: str) -> None:
    if given not in (wanted, wanted - {OPTIONAL_USAGE}):
        raise Unfit(f"usages did not match {sorted(wanted)}" if purpose == "kubelet" else purpose)


MAIL, URI, DNS, ADDRESS = x509.RFC822Name, x509.UniformResourceIdentifier, x509.DNSName, x509.IPAddress


def kubelet_client(request: x509.CertificateSigningRequest, usages: frozenset[str]) -> None:
    _node(request)
    names = alternative_names(request)
    _none_of(names, {DNS: "DNS", ADDRESS: "IP", MAIL: "Email", URI: "URI"})
    _usages(usages, CLIENT_USAGES, "kubelet")


def kubelet_serving(request: x509.CertificateSigningRequest, usages: frozenset[str]) -> None:
    _node(request)
    names = alternative_names(request)
    if not any(isinstance(name, DNS | ADDRESS) for name in names):
        raise Unfit("DNS or IP subjectAltName is required")
    _none_of(names, {MAIL: "Email", URI: "URI"})
    _usages(usages, SERVING_USAGES, "kubelet")


def client(request: x509.CertificateSigningRequest, usages: frozenset[str]) -> None:
    if not usages <= CLIENT_USAGES or "client auth" not in usages:
        raise Unfit(f"usages did not match {sorted(CLIENT_USAGES)}")


def anything(request: x509.CertificateSigningRequest, usages: frozenset[str]) -> None:
    """The legacy signer has no rules; nothing is signed by it without a person's approval."""


SIGNERS: dict[str, Callable[[x509.CertificateSigningRequest, frozenset[str]], None]] = {
    CLIENT: client,
    KUBELET_CLIENT: kubelet_client,
    KUBELET_SERVING: kubelet_serving,
    LEGACY: anything,
}
"""Signer to what it demands; each raises Unfit."""


def condition(obj: Any, kind: str) -> Any:
    """The request's condition of that type when it is true; None."""
    found = (obj.status.conditions if obj.status is not None else None) or ()
    return next((c for c in found if c.type == kind and c.status != "False"), None)


def decided(obj: Any) -> bool:
    return condition(obj, "Approved") is not None or condition(obj, "Denied") is not None
