"""Field numbers of the protobuf forms of this group's types; see `sampan.codec.protobuf`."""

from __future__ import annotations

FIELDS = {
    "storage_v1": """
        TokenRequest audience=1 expirationSeconds=2
        CSIDriverSpec attachRequired=1 podInfoOnMount=2 volumeLifecycleModes=3 storageCapacity=4 fsGroupPolicy=5
            tokenRequests=6 requiresRepublish=7 seLinuxMount=8 nodeAllocatableUpdatePeriodSeconds=9
            serviceAccountTokenInSecrets=10 preventPodSchedulingIfMissing=11
        CSIDriver metadata=1 spec=2
        CSIDriverList metadata=1 items=2
        VolumeNodeResources count=1
        CSINodeDriver name=1 nodeID=2 topologyKeys=3 allocatable=4
        CSINodeSpec drivers=1
        CSINode metadata=1 spec=2
        CSINodeList metadata=1 items=2
        CSIStorageCapacity metadata=1 nodeTopology=2 storageClassName=3 capacity=4 maximumVolumeSize=5
        CSIStorageCapacityList metadata=1 items=2
        StorageClass metadata=1 provisioner=2 parameters=3 reclaimPolicy=4 mountOptions=5 allowVolumeExpansion=6
            volumeBindingMode=7 allowedTopologies=8
        StorageClassList metadata=1 items=2
        VolumeAttachmentSource persistentVolumeName=1 inlineVolumeSpec=2
        VolumeAttachmentSpec attacher=1 source=2 nodeName=3
        VolumeError time=1 message=2 errorCode=3
        VolumeAttachmentStatus attached=1 attachmentMetadata=2 attachError=3 detachError=4
        VolumeAttachment metadata=1 spec=2 status=3
        VolumeAttachmentList metadata=1 items=2
        VolumeAttributesClass metadata=1 driverName=2 parameters=3
        VolumeAttributesClassList metadata=1 items=2
    """,
    "storage_v1beta1": """
        VolumeAttributesClass metadata=1 driverName=2 parameters=3
        VolumeAttributesClassList metadata=1 items=2
    """,
}
