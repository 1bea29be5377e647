"""Field numbers of the protobuf forms of this group's types; see `sampan.codec.protobuf`."""

from __future__ import annotations

FIELDS = {
    "apiserverinternal_v1alpha1": """
        ServerStorageVersion apiServerID=1 encodingVersion=2 decodableVersions=3 servedVersions=4
        StorageVersionSpec
        StorageVersionCondition type=1 status=2 observedGeneration=3 lastTransitionTime=4 reason=5 message=6
        StorageVersionStatus storageVersions=1 commonEncodingVersion=2 conditions=3
        StorageVersion metadata=1 spec=2 status=3
        StorageVersionList metadata=1 items=2
    """,
}
