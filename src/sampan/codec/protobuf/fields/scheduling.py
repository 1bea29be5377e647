"""Field numbers of the protobuf forms of this group's types; see `sampan.codec.protobuf`."""

from __future__ import annotations

FIELDS = {
    "scheduling_v1": """
        PriorityClass metadata=1 value=2 globalDefault=3 description=4 preemptionPolicy=5
        PriorityClassList metadata=1 items=2
    """,
}
