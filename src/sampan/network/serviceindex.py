"""Which Service an EndpointSlice belongs to: its label, not its name or owner (API reference "EndpointSlice")."""

from __future__ import annotations

from typing import Any

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
SERVICE_INDEX = "service"


def services_of(piece: Any) -> list[str]:
    """`namespace/name` of its Service, as an indexer's values; none when the label is missing."""
    name = (piece.metadata.labels or {}).get(SERVICE_NAME_LABEL)
    return [f"{piece.metadata.namespace}/{name}"] if name else []
