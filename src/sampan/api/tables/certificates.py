"""Tables of certificates.k8s.io."""

from __future__ import annotations

from typing import Any

from sampan.api.tables import AGE, NAME, Cells, Column, Table
from sampan.api.tables.cells import NONE, age, at, duration


def signing_request(obj: Any, now: float) -> Cells:
    seconds = at(obj, "spec.expirationSeconds")
    return [
        obj.metadata.name,
        age(obj, now),
        at(obj, "spec.signerName") or NONE,
        at(obj, "spec.username", ""),
        NONE if seconds is None else duration(seconds),
        request_status(obj),
    ]


def request_status(obj: Any) -> str:
    found = {c.type for c in at(obj, "status.conditions", [])}
    status = "Denied" if "Denied" in found else "Approved" if "Approved" in found else "Pending"
    failed = ",Failed" if "Failed" in found else ""
    return status + failed + (",Issued" if at(obj, "status.certificate") else "")


def trust_bundle(obj: Any, now: float) -> Cells:
    return [obj.metadata.name, at(obj, "spec.signerName") or NONE]


def pod_request(obj: Any, now: float) -> Cells:
    spec = [at(obj, f"spec.{field}", "") for field in ("podName", "serviceAccountName", "nodeName", "signerName")]
    found = {c.type for c in at(obj, "status.conditions", [])}
    return [obj.metadata.name, *spec, next((s for s in ("Issued", "Denied", "Failed") if s in found), "Pending")]


# The prose of these two differs from today's schema: upstream shows that of an older version.
SIGNER = (
    "Requested signer for the request. It is a qualified name in the form: `scope-hostname.io/name`. If empty, it will "
    "be defaulted:\n 1. If it's a kubelet client certificate, it is assigned\n"
    '    "kubernetes.io/kube-apiserver-client-kubelet".\n 2. If it\'s a kubelet serving certificate, it is assigned\n'
    '    "kubernetes.io/kubelet-serving".\n 3. Otherwise, it is assigned "kubernetes.io/legacy-unknown".\n'
    "Distribution of trust for signers happens out of band. You can select on this field using `spec.signerName`."
)
SIGNING_REQUEST = (
    NAME,
    AGE,
    Column("SignerName", text=SIGNER),
    Column("Requestor", text="Base64-encoded PKCS#10 CSR data"),
    Column("RequestedDuration", "certificates.v1.CertificateSigningRequestSpec.expirationSeconds"),
    Column("Condition", text="Conditions applied to the request, such as approval or denial."),
)
POD_SPEC = "certificates.v1beta1.PodCertificateRequestSpec"
POD_REQUEST = (
    NAME,
    Column("PodName", f"{POD_SPEC}.podName"),
    Column("ServiceAccountName", f"{POD_SPEC}.serviceAccountName"),
    Column("NodeName", f"{POD_SPEC}.nodeName"),
    Column("SignerName", f"{POD_SPEC}.signerName"),
    Column("State", text="Is the request Pending, Issued, Denied, or Failed?"),
)

TABLES = {
    "CertificateSigningRequest": Table(SIGNING_REQUEST, signing_request),
    "PodCertificateRequest": Table(POD_REQUEST, pod_request),
    "ClusterTrustBundle": Table(
        (NAME, Column("SignerName", "certificates.v1beta1.ClusterTrustBundleSpec.signerName")), trust_bundle
    ),
}
