"""Kinds that are questions: posted, answered in their status, never stored.

https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from sampan.api import errors, schema, selectors, validation
from sampan.api.errors import FieldError
from sampan.api.kinds import authentication_v1, authorization_v1, meta_v1
from sampan.apiserver import decode, managedfields, metadata
from sampan.apiserver.answers import struct_answer
from sampan.apiserver.auth import authorizer
from sampan.apiserver.auth.authenticator import Rejected, settled
from sampan.apiserver.auth.authorizer import Attributes, Decision
from sampan.apiserver.auth.bearer import Known
from sampan.apiserver.auth.node.authorizer import node_name
from sampan.apiserver.auth.user import User
from sampan.apiserver.http.exchange import Response
from sampan.apiserver.request import Request
from sampan.apiserver.write import CREATE, Write

AUTHENTICATION = "authentication.k8s.io"
AUTHORIZATION = "authorization.k8s.io"


def answer(request: Request) -> Response | Awaitable[Response]:
    """201 with the question and its answer. Raises Invalid and BadRequest."""
    kind = request.kind
    obj = decode.body(request, kind)
    write = Write(request, CREATE, new=obj)
    metadata.check_place(write)
    managedfields.record(write)
    wrong = [e for e in validation.create(kind, obj) if not e.field.startswith("metadata")]
    if kind.group == AUTHORIZATION:
        wrong = [*_only_spec(obj), *wrong]
    if wrong:
        shown = "" if kind.group == AUTHORIZATION and wrong[0].field == "metadata" else kind.kind
        raise errors.invalid(kind.group, shown, "", wrong)
    wait = request.server.admission.admit(write)
    if wait is None:
        wait = ANSWERS[kind.plural](request, obj)
        return struct_answer(request, obj, 201) if wait is None else _later(request, obj, wait)
    return _admitted(request, obj, wait)


async def _admitted(request: Request, obj: Any, waiting: Awaitable[None]) -> Response:
    await waiting
    await settled(ANSWERS[request.kind.plural](request, obj))
    return struct_answer(request, obj, 201)


async def _later(request: Request, obj: Any, waiting: Awaitable[None]) -> Response:
    """What another machine had to be asked for."""
    await waiting
    return struct_answer(request, obj, 201)


def _only_spec(obj: Any) -> list[FieldError]:
    """An access review has no metadata of its own (but a namespace where it is local)."""
    meta = obj.metadata
    shown = {n: getattr(meta, n) for n in meta.__struct_fields__ if n not in ("managedFields", "namespace")}
    shown = {name: value for name, value in shown.items() if value is not None}
    if not shown:
        return []
    return [FieldError(errors.INVALID, "metadata", f"Invalid value: {json.dumps(shown, default=str)}: must be empty")]


def _token_review(request: Request, obj: Any) -> Awaitable[None] | None:
    token = obj.spec.token if obj.spec is not None else None
    if not token:
        raise errors.BadRequest("token is required for TokenReview in authentication")
    obj.status = authentication_v1.TokenReviewStatus(user=authentication_v1.UserInfo())
    tokens = request.server.authentication.tokens
    try:
        known = tokens.know(token.encode().strip(), tuple(obj.spec.audiences or ()) or tokens.implicit)
    except Rejected:
        _unknown(obj)
        return None
    if not isinstance(known, Known):
        return _review_later(obj, known)
    _known(obj, known)
    return None


async def _review_later(obj: Any, waiting: Awaitable[Known]) -> None:
    try:
        _known(obj, await waiting)
    except Rejected:
        _unknown(obj)


def _unknown(obj: Any) -> None:
    """What is wrong with a token is for the log: whoever asks may be guessing."""
    obj.status.error = "invalid bearer token"


def _known(obj: Any, known: Known) -> None:
    obj.status.authenticated, obj.status.user = True, _info(known.user)
    obj.status.audiences = list(known.audiences) or None


def _info(user: User) -> Any:
    extra = {name: list(values) for name, values in user.extra.items()} or None
    return authentication_v1.UserInfo(
        username=user.name or None, uid=user.uid or None, groups=list(user.groups) or None, extra=extra
    )


def _self_review(request: Request, obj: Any) -> None:
    now = metadata.timestamp(request.server.clock.now())
    obj.metadata = meta_v1.ObjectMeta(creationTimestamp=now)
    obj.status = authentication_v1.SelfSubjectReviewStatus(userInfo=_info(request.user))


def _access(request: Request, obj: Any) -> Awaitable[None] | None:
    spec = obj.spec
    spec.groups = spec.groups or None
    extra = {name: tuple(values or ()) for name, values in (spec.extra or {}).items()}
    return _decide(
        request, obj, User(spec.user or "", uid=spec.uid or "", groups=tuple(spec.groups or ()), extra=extra)
    )


def _own_access(request: Request, obj: Any) -> Awaitable[None] | None:
    return _decide(request, obj, request.user)


def _decide(request: Request, obj: Any, user: User) -> Awaitable[None] | None:
    asked, ignored = attributes(obj.spec)
    answer = request.server.authorizer.decide(user, asked)
    if not isinstance(answer, tuple):
        return _decide_later(obj, user, answer, ignored)
    _decided(obj, user, answer, ignored)
    return None


async def _decide_later(obj: Any, user: User, waiting: Awaitable[authorizer.Answer], ignored: str) -> None:
    _decided(obj, user, await waiting, ignored)


def _decided(obj: Any, user: User, answer: authorizer.Answer, ignored: str) -> None:
    decision, reason = answer
    status = obj.status = schema_status(obj)(allowed=decision is Decision.ALLOW)
    status.evaluationError = ignored or None
    if decision is Decision.ALLOW or node_name(user) is None:
        # Why a node may not see something is for that node alone.
        status.reason = reason or None
    if decision is Decision.DENY:
        status.denied = True


def schema_status(obj: Any) -> Any:
    """The Struct of an object's status."""
    info = schema.info(type(obj)).fields["status"].type
    assert info is not None
    return info.struct


def attributes(spec: Any) -> tuple[Attributes, str]:
    """What a review asks about, and which of its selectors could not be understood."""
    wanted = spec.resourceAttributes
    if wanted is None:
        path = spec.nonResourceAttributes
        return Attributes((path.verb or "").lower(), path=path.path or ""), ""
    found, ignored = {}, []
    for name, parse, judge in SELECTORS:
        kept, whole = _requirements(getattr(wanted, name), parse, judge)
        found[name] = kept
        if not whole:
            partially = "partially " if kept else ""
            ignored.append(f"spec.resourceAttributes.{name} {partially}ignored due to parse error")
    asked = Attributes(
        wanted.verb or "",
        wanted.group or "",
        wanted.version or "*",
        wanted.resource or "",
        wanted.subresource or "",
        wanted.namespace or "",
        wanted.name or "",
        fields=found["fieldSelector"],
        labels=found["labelSelector"],
    )
    return asked, "; ".join(ignored)


Requirements = tuple[selectors.Requirement, ...]
Judge = Callable[[selectors.Requirement], bool]


def _requirements(selector: Any, parse: Callable[[str], selectors.Selector], judge: Judge) -> tuple[Requirements, bool]:
    """A review's selector, as text or taken apart (KEP-4601), and whether that is all of it.

    What cannot be understood narrows nothing: newer clients may know more.
    """
    if selector is None:
        return (), True
    if selector.rawSelector:
        try:
            return parse(selector.rawSelector).requirements, True
        except selectors.SelectorError:
            return (), False
    asked = [selectors.Requirement(r.key or "", r.operator or "", tuple(r.values or ())) for r in selector.requirements]
    kept = tuple(filter(judge, asked))
    return kept, len(kept) == len(asked)


def _is_of_fields(one: selectors.Requirement) -> bool:
    return one.operator in ("In", "NotIn") and len(one.values) == 1


def _is_of_labels(one: selectors.Requirement) -> bool:
    return one.operator in ("In", "NotIn", "Exists", "DoesNotExist")


SELECTORS: tuple[tuple[str, Callable[[str], selectors.Selector], Judge], ...] = (
    ("fieldSelector", selectors.parse_fields, _is_of_fields),
    ("labelSelector", selectors.parse_labels, _is_of_labels),
)


def _rules(request: Request, obj: Any) -> None:
    namespace = (obj.spec.namespace if obj.spec else None) or ""
    if not namespace:
        raise errors.BadRequest("no namespace on request")
    resources, paths, why = request.server.rules(request.user, namespace)
    obj.status = authorization_v1.SubjectRulesReviewStatus(
        resourceRules=resources, nonResourceRules=paths, incomplete=bool(why), evaluationError=why or None
    )


ANSWERS: dict[str, Callable[[Request, Any], Awaitable[None] | None]] = {
    "tokenreviews": _token_review,
    "selfsubjectreviews": _self_review,
    "subjectaccessreviews": _access,
    "localsubjectaccessreviews": _access,
    "selfsubjectaccessreviews": _own_access,
    "selfsubjectrulesreviews": _rules,
}
