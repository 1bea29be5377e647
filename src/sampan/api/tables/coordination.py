"""Tables of coordination.k8s.io."""

from __future__ import annotations

from typing import Any

from sampan.api.tables import AGE, NAME, Cells, Column, Table
from sampan.api.tables.cells import age, at


def lease(obj: Any, now: float) -> Cells:
    return [obj.metadata.name, at(obj, "spec.holderIdentity", ""), age(obj, now)]


def candidate(obj: Any, now: float) -> Cells:
    spec = [at(obj, f"spec.{field}", "") for field in ("leaseName", "binaryVersion", "emulationVersion")]
    return [obj.metadata.name, *spec, age(obj, now)]


CANDIDATE = (
    NAME,
    Column("LeaseName", "coordination.v1beta1.LeaseCandidateSpec.leaseName"),
    Column("BinaryVersion"),
    Column("EmulationVersion"),
    AGE,
)

TABLES = {
    "Lease": Table((NAME, Column("Holder", "coordination.v1.LeaseSpec.holderIdentity"), AGE), lease),
    "LeaseCandidate": Table(CANDIDATE, candidate),
}
