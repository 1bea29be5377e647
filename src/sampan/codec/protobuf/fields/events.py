"""Field numbers of the protobuf forms of this group's types; see `sampan.codec.protobuf`."""

from __future__ import annotations

FIELDS = {
    "events_v1": """
        EventSeries count=1 lastObservedTime=2
        Event metadata=1 eventTime=2 series=3 reportingController=4 reportingInstance=5 action=6 reason=7
            regarding=8 related=9 note=10 type=11 deprecatedSource=12 deprecatedFirstTimestamp=13
            deprecatedLastTimestamp=14 deprecatedCount=15
        EventList metadata=1 items=2
    """,
}
