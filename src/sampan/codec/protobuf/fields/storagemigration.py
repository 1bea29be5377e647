"""Field numbers of the protobuf forms of this group's types; see `sampan.codec.protobuf`."""

from __future__ import annotations

FIELDS = {
    "storagemigration_v1beta1": """
        StorageVersionMigrationSpec resource=1
        StorageVersionMigrationStatus conditions=1 resourceVersion=2
        StorageVersionMigration metadata=1 spec=2 status=3
        StorageVersionMigrationList metadata=1 items=2
    """,
}
