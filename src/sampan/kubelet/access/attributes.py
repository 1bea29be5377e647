"""What a request to the node's server needs permission for. Pure.

Every path is a subresource of `nodes` with this node's name; some may be used with a permission of their own or with
`proxy`, which covers all. Source: "Kubelet authentication/authorization", section "Kubelet authorization", and KEP-2862
(fine-grained authorization).
"""

from __future__ import annotations

VERBS = {"POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
PROXY = "proxy"

# first part of the path -> subresources, any one of which will do
SUBRESOURCES: dict[str, tuple[str, ...]] = {
    "stats": ("stats",),
    "metrics": ("metrics",),
    "logs": ("log",),
    "checkpoint": ("checkpoint",),
    "statusz": ("statusz", PROXY),
    "flagz": ("flagz", PROXY),
    "pods": ("pods", PROXY),
    "runningpods": ("pods", PROXY),
    "healthz": ("healthz", PROXY),
    "configz": ("configz", PROXY),
}


def verb(method: str) -> str:
    """The verb for an HTTP method, "" for one that is none."""
    return VERBS.get(method, "")


def subresources(path: str) -> tuple[str, ...]:
    """`nodes/...` that the path (decoded, without its query) may be used with, the narrowest first."""
    first = path.lstrip("/").partition("/")[0]
    return SUBRESOURCES.get(first, (PROXY,))
