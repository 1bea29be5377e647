"""Field numbers of the protobuf forms of this group's types; see `sampan.codec.protobuf`."""

from __future__ import annotations

FIELDS = {
    "node_v1": """
        Overhead podFixed=1
        Scheduling nodeSelector=1 tolerations=2
        RuntimeClass metadata=1 handler=2 overhead=3 scheduling=4
        RuntimeClassList metadata=1 items=2
    """,
}
