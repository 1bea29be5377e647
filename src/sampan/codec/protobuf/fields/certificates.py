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
        PodCertificateRequestSpec signerName=1 podName=2 podUID=3 serviceAccountName=4 serviceAccountUID=5
            nodeName=6 nodeUID=7 maxExpirationSeconds=8 pkixPublicKey=9 proofOfPossession=10
            unverifiedUserAnnotations=11 stubPKCS10Request=12
        PodCertificateRequestStatus conditions=1 certificateChain=2 notBefore=4 beginRefreshAt=5 notAfter=6
        PodCertificateRequest metadata=1 spec=2 status=3
        PodCertificateRequestList metadata=1 items=2
    """,
}
