"""Field numbers of the protobuf forms of this group's types; see `sampan.codec.protobuf`."""

from __future__ import annotations

FIELDS = {
    "coordination_v1": """
        LeaseSpec holderIdentity=1 leaseDurationSeconds=2 acquireTime=3 renewTime=4 leaseTransitions=5
            strategy=6 preferredHolder=7
        Lease metadata=1 spec=2
        LeaseList metadata=1 items=2
    """,
    "coordination_v1alpha2": """
        LeaseCandidateSpec leaseName=1 pingTime=2 renewTime=3 binaryVersion=4 emulationVersion=5 strategy=6
        LeaseCandidate metadata=1 spec=2
        LeaseCandidateList metadata=1 items=2
    """,
    "coordination_v1beta1": """
        LeaseCandidateSpec leaseName=1 pingTime=2 renewTime=3 binaryVersion=4 emulationVersion=5 strategy=6
        LeaseCandidate metadata=1 spec=2
        LeaseCandidateList metadata=1 items=2
    """,
}
