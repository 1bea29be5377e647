"""Field numbers of the protobuf forms of this group's types; see `sampan.codec.protobuf`."""

from __future__ import annotations

FIELDS = {
    "apiregistration_v1": """
        ServiceReference namespace=1 name=2 port=3
        APIServiceSpec service=1 group=2 version=3 insecureSkipTLSVerify=4 caBundle=5 groupPriorityMinimum=7
            versionPriority=8
        APIServiceCondition type=1 status=2 lastTransitionTime=3 reason=4 message=5
        APIServiceStatus conditions=1
        APIService metadata=1 spec=2 status=3
        APIServiceList metadata=1 items=2
    """,
}
