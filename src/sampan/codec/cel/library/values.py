"""The types of package `kubernetes`, and what makes values of them."""

from __future__ import annotations

from functools import cache

from sampan.codec.cel.messages import Messages

QUANTITY, SEMVER, URL = "kubernetes.Quantity", "kubernetes.Semver", "kubernetes.URL"
FORMAT = "kubernetes.NamedFormat"
TYPES = {
    "NamedFormat": {"text": "string"},
    "Quantity": {"text": "string"},
    "Semver": {"text": "string"},
    "URL": {"scheme": "string", "host": "string", "path": "string", "query": "string"},
}


@cache
def values() -> Messages:
    return Messages("kubernetes", TYPES)
