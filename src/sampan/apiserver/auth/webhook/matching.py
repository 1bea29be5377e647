"""Which requests a webhook authorizer is asked about: CEL expressions over `request`, a SubjectAccessReview's spec.

https://kubernetes.io/docs/reference/access-authn-authz/authorization/#authorization-config-match-conditions
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sampan.codec.cel.environment import Environment, Program
from sampan.codec.cel.messages import Messages

_SELECTOR = {"rawSelector": "string", "requirements": "[SelectorRequirement]"}
MESSAGES = {
    "SubjectAccessReviewSpec": {
        "resourceAttributes": "ResourceAttributes",
        "nonResourceAttributes": "NonResourceAttributes",
        "user": "string",
        "groups": "[string]",
        "extra": "{[string]}",
        "uid": "string",
    },
    "ResourceAttributes": {
        "namespace": "string",
        "verb": "string",
        "group": "string",
        "version": "string",
        "resource": "string",
        "subresource": "string",
        "name": "string",
        "fieldSelector": "FieldSelectorAttributes",
        "labelSelector": "LabelSelectorAttributes",
    },
    "NonResourceAttributes": {"path": "string", "verb": "string"},
    "FieldSelectorAttributes": _SELECTOR,
    "LabelSelectorAttributes": _SELECTOR,
    "SelectorRequirement": {"key": "string", "operator": "string", "values": "[string]"},
}


@cache
def _messages() -> Messages:
    return Messages("sampan.authorization", MESSAGES)


@cache
def environment() -> Environment:
    return Environment({"request": _messages().type("SubjectAccessReviewSpec")})


def compiled(source: str) -> Program:
    """A match condition. Raises CelError."""
    return environment().compile(source, returns=("bool",))


def matches(conditions: Sequence[Program], spec: Mapping[str, Any]) -> bool:
    """Whether all hold: one that is false decides, even beside one that fails. Raises EvaluationError."""
    from sampan.codec.cel.errors import EvaluationError

    if not conditions:
        return True
    variables = {"request": _messages().build("SubjectAccessReviewSpec", spec)}
    failure: EvaluationError | None = None
    for condition in conditions:
        try:
            if condition.evaluate(variables) is not True:
                return False
        except EvaluationError as error:
            failure = error
    if failure is not None:
        raise failure
    return True
