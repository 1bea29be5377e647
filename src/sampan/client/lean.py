"""Trims for informers of Services and EndpointSlices, which a node holds all of, whatever the cluster's size.

They drop what nobody needs who sends traffic there: whose objects they are, which pods they choose. That is half of
their memory. Objects so trimmed are for reading.
"""

from __future__ import annotations

from sys import intern
from typing import Any


def service(obj: Any) -> None:
    """Keeps where it is and how it is to be reached."""
    obj.metadata.annotations = obj.metadata.ownerReferences = None
    if obj.spec is not None:
        obj.spec.selector = None


def endpoint_slice(obj: Any) -> None:
    """Keeps endpoints, but not which pods they are; annotations stay, they tell when it changed."""
    obj.metadata.ownerReferences = None
    for endpoint in obj.endpoints or ():
        endpoint.targetRef = None
        if endpoint.nodeName:
            endpoint.nodeName = intern(endpoint.nodeName)
