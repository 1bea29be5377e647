"""Subresources that take another kind of object than their parent;

the rest (status, resize, approval, ...) go the way of the parent's verbs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sampan.apiserver.http.exchange import Answer
from sampan.apiserver.longrunning import counted
from sampan.apiserver.proxying import forward
from sampan.apiserver.request import Request
from sampan.apiserver.subresources import binding, eviction, log, scale, streaming, token
from sampan.apiserver.subresources.connecting import admitted

Verb = Callable[[Request], Answer | Awaitable[Answer]]

SCALE: dict[str, Verb] = {"get": scale.get, "update": scale.update, "patch": scale.patch}
EITHER = ("get", "create")
METHODS = ("get", "create", "update", "patch", "delete")
PROXY: dict[str, Verb] = dict.fromkeys(METHODS, admitted(counted(forward.forward)))

TABLE: dict[tuple[str, str, str], dict[str, Verb]] = {
    ("*", "*", "scale"): SCALE,
    ("", "pods", "binding"): {"create": binding.bind},
    ("", "pods", "eviction"): {"create": eviction.evict},
    ("", "pods", "log"): {"get": counted(log.get)},
    ("", "pods", "attach"): dict.fromkeys(EITHER, admitted(counted(streaming.attach))),
    ("", "pods", "exec"): dict.fromkeys(EITHER, admitted(counted(streaming.execute))),
    ("", "pods", "portforward"): dict.fromkeys(EITHER, admitted(counted(streaming.port_forward))),
    ("*", "*", "proxy"): PROXY,
    ("", "serviceaccounts", "token"): {"create": token.create},
}
"""(group, plural, subresource), or ("*", "*", subresource), to what answers each verb."""
