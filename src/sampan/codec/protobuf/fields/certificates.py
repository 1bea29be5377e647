"""Field numbers of the protobuf forms of this group's types; see `sampan.codec.protobuf`."""

from __future__ import annotations

FIELDS = {
    "certificates_v1": """
        CertificateSigningRequestSpec request=1 signerName=7 expirationSeconds=8 usages=5 username=2 uid=3
            groups=4 extra=6
        CertificateSigningRequestCondition type=1 status=6 reason=2 message=3 lastUpdateTime=4
            lastTransitionTime=5
        CertificateSigningRequestStatus conditions=1 certificate=2
        CertificateSigningRequest metadata=1 spec=2 status=3
        CertificateSigningRequestList metadata=1 items=2
    """,
    "certificates_v1alpha1": """
        ClusterTrustBundleSpec signerName=1 trustBundle=2
        ClusterTrustBundle metadata=1 spec=2
        ClusterTrustBundleList metadata=1 items=2
    """,
    "certificates_v1beta1": """
        ClusterTrustBundleSpec signerName=1 trustBundle=2
        ClusterTrustBundle metadata=1 spec=2
        ClusterTrustBundleList metadata=1 items=2
    """,
}
