"""One verb, one file. Each takes a `Request` and gives an answer, at once or as an awaitable."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sampan.api.registry import Subresource
from sampan.apiserver.http.exchange import Answer
from sampan.apiserver.request import Request
from sampan.apiserver.verbs.create import create
from sampan.apiserver.verbs.delete import delete
from sampan.apiserver.verbs.deletecollection import deletecollection
from sampan.apiserver.verbs.get import get
from sampan.apiserver.verbs.list import list_
from sampan.apiserver.verbs.patch import patch
from sampan.apiserver.verbs.update import update
from sampan.apiserver.verbs.watch import watch

Verb = Callable[[Request], Answer | Awaitable[Answer]]

VERBS: dict[str, Verb] = {
    "get": get,
    "list": list_,
    "watch": watch,
    "create": create,
    "update": update,
    "patch": patch,
    "delete": delete,
    "deletecollection": deletecollection,
}


def for_subresource(request: Request, subresource: Subresource) -> Verb:
    """The verb for a subresource:

    its own where it takes another kind of object, else the parent's, told which part it may touch.
    """
    from sampan.apiserver import subresources

    special = subresources.TABLE.get(
        (request.kind.group, request.kind.plural, subresource.name)
    ) or subresources.TABLE.get(("*", "*", subresource.name))
    return special[request.target.verb] if special else VERBS[request.target.verb]
