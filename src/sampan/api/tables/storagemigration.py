"""Tables of storagemigration.k8s.io."""

from __future__ import annotations

from typing import Any

from sampan.api.tables import META, Cells, Column, Table
from sampan.api.tables.cells import at


def migration(obj: Any, now: float) -> Cells:
    parts = [at(obj, f"spec.resource.{field}", "") for field in ("resource", "group")]
    return [obj.metadata.name, ".".join(filter(None, parts))]


TABLES = {
    "StorageVersionMigration": Table(
        (Column("Name", f"{META}.name"), Column("Resource", text="Fully qualified resource to migrate")), migration
    )
}
