"""One verb, one file. Each takes a `Request` and gives an answer, at once or as an awaitable."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sampan.api.registry import Kind, Subresource
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


def bind_directly(request: Request) -> Answer | Awaitable[Answer]:
    """POST to the older `bindings`: the pod is named in the body."""
    from sampan.apiserver.subresources import binding

    return binding.bind(request)


def review(request: Request) -> Answer | Awaitable[Answer]:
    """POST of a question."""
    from sampan.apiserver import reviews

    return reviews.answer(request)


SPECIAL: dict[tuple[str, str], dict[str, Verb]] = {
    ("", "bindings"): {"create": bind_directly},
    ("authentication.k8s.io", "selfsubjectreviews"): {"create": review},
    ("authentication.k8s.io", "tokenreviews"): {"create": review},
    ("authorization.k8s.io", "localsubjectaccessreviews"): {"create": review},
    ("authorization.k8s.io", "selfsubjectaccessreviews"): {"create": review},
    ("authorization.k8s.io", "selfsubjectrulesreviews"): {"create": review},
    ("authorization.k8s.io", "subjectaccessreviews"): {"create": review},
}
"""Kinds of which nothing is stored."""


def for_kind(kind: Kind, verb: str) -> Verb:
    """The function that answers a verb on a kind."""
    special = SPECIAL.get((kind.group, kind.plural))
    return VERBS[verb] if special is None else special[verb]


def for_subresource(request: Request, subresource: Subresource) -> Verb:
    """The verb for a subresource:

    its own where it takes another kind of object, else the parent's, told which part it may touch.
    """
    from sampan.apiserver import subresources

    special = subresources.TABLE.get(
        (request.kind.group, request.kind.plural, subresource.name)
    ) or subresources.TABLE.get(("*", "*", subresource.name))
    return special[request.target.verb] if special else VERBS[request.target.verb]
