"""Subresources that take another kind of object than their parent;

the rest (status, resize, approval, ...) go the way of the parent's verbs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sampan.apiserver.http.exchange import Answer
from sampan.apiserver.request import Request
from sampan.apiserver.subresources import absent, binding, eviction, log, scale, token

Verb = Callable[[Request], Answer | Awaitable[Answer]]

SCALE: dict[str, Verb] = {"get": scale.get, "update": scale.update, "patch": scale.patch}
ABSENT: dict[str, Verb] = dict.fromkeys(("get", "create", "update", "patch", "delete"), absent.refuse)

TABLE: dict[tuple[str, str, str], dict[str, Verb]] = {
    ("*", "*", "scale"): SCALE,
    ("", "pods", "binding"): {"create": binding.bind},
    ("", "pods", "eviction"): {"create": eviction.evict},
    ("", "pods", "log"): {"get": log.get},
    ("*", "*", "attach"): ABSENT,
    ("*", "*", "exec"): ABSENT,
    ("*", "*", "portforward"): ABSENT,
    ("*", "*", "proxy"): ABSENT,
    ("", "serviceaccounts", "token"): {"create": token.create},
}
"""(group, plural, subresource), or ("*", "*", subresource), to what answers each verb."""
