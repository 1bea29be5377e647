"""The way of a request, in order. This list is the API server; everything else is one stage, one verb or one plugin of
it.

    identify request -> authenticate -> audit -> (flow control) -> impersonate -> authorize
        reads:  get, list, watch: the watch cache
        writes: decode -> default -> own -> mutate -> prepare -> allocate -> validate -> warn -> approve -> store
    respond

Flow control has its place kept. A stage of a request takes the
`Request`, a stage of a write the `Write`; each may answer an awaitable, and says no by raising an `ApiError`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from sampan.api import errors, selectors, strategy, validation, warnings
from sampan.api.errors import FieldError, Forbidden, MethodNotAllowed, NotFound, Unauthorized
from sampan.apiserver import deprecations, managedfields, verbs
from sampan.apiserver.auth import authorizer, impersonation
from sampan.apiserver.auth.authenticator import Rejected, settled
from sampan.apiserver.auth.authorizer import Attributes, Decision, refusal
from sampan.apiserver.auth.tally import ERROR, FAILURE, SUCCESS
from sampan.apiserver.auth.user import User, anonymous
from sampan.apiserver.heavy import is_heavy
from sampan.apiserver.http.exchange import Answer
from sampan.apiserver.request import Request
from sampan.apiserver.write import CREATE, View, Write

NOT_FOUND = "the server could not find the requested resource"
SELECTING = frozenset({"list", "watch", "deletecollection"})
NAME = "metadata.name"
NO_SEGMENTS = frozenset({".", ".."})
PROXY = "proxy"
"""The only part of an object of which HEAD is served."""
NOT_ALLOWED = "the server does not allow this method on the requested resource"


def authenticate(request: Request) -> Awaitable[None] | None:
    """Who asks. Without credentials only some paths answer: as configured, or those of health. Raises Unauthorized."""
    try:
        found = request.server.authenticator.authenticate(request.exchange)
    except Rejected:
        raise _unknown(request, ERROR) from None
    if found is not None and not isinstance(found, User):
        return _identify(request, found)
    _identified(request, found)
    return None


async def _identify(request: Request, waiting: Awaitable[User | None]) -> None:
    try:
        found = await waiting
    except Rejected:
        raise _unknown(request, ERROR) from None
    _identified(request, found)


def _identified(request: Request, user: User | None) -> None:
    server = request.server
    if user is None:
        if not server.authentication.anonymous.allows(request.target.path):
            raise _unknown(request, FAILURE)
        user = anonymous()
    request.user = user
    server.authentication.tally.authenticated(SUCCESS, server.clock.monotonic() - request.started, user.name)


def _unknown(request: Request, result: str) -> Unauthorized:
    server = request.server
    server.authentication.tally.authenticated(result, server.clock.monotonic() - request.started)
    return Unauthorized("Unauthorized")


def audit(request: Request) -> Awaitable[None] | None:
    """The record of a request is opened. Raises ApiError where it must be written and cannot be."""
    auditor = request.server.auditor
    if auditor is None:
        return None
    request.record = auditor.open(request, request.user, attributes(request))
    if request.record is None:
        return None
    request.record.received()
    return request.record.settled()


def impersonate(request: Request) -> Awaitable[None] | None:
    """Whoever may speak for somebody else is somebody else from here on. Raises Forbidden."""
    other = impersonation.wanted(request.exchange)
    if other is None:
        return None
    server = request.server
    user = server.impersonation.impersonate(request.user, other, attributes(request), server.authorizer)
    if not isinstance(user, User):
        return _impersonate(request, user)
    _impersonated(request, user)
    return None


async def _impersonate(request: Request, waiting: Awaitable[User]) -> None:
    _impersonated(request, await waiting)


def _impersonated(request: Request, user: User) -> None:
    if request.record is not None:
        request.record.impersonates(request.user, user)
    request.user = user


def authorize(request: Request) -> Awaitable[None] | None:
    """May they. Raises Forbidden."""
    asked, server = attributes(request), request.server
    began = server.clock.monotonic()
    answer = server.authorizer.decide(request.user, asked)
    if not isinstance(answer, tuple):
        return _authorize(request, asked, answer, began)
    _counted(request, answer, began)
    _authorized(request, asked, answer)
    return None


async def _authorize(request: Request, asked: Attributes, waiting: Awaitable[authorizer.Answer], began: float) -> None:
    answer = await waiting
    _counted(request, answer, began)
    _authorized(request, asked, answer)


def _counted(request: Request, answer: authorizer.Answer, began: float) -> None:
    server = request.server
    server.authorization.tally.authorized(authorizer.DECIDED[answer[0]], server.clock.monotonic() - began)
    if request.record is not None:
        request.record.decided(*answer)


async def permit(request: Request, asked: Attributes) -> None:
    """What a request needs beside what it says it does. Raises Forbidden."""
    _authorized(request, asked, await settled(request.server.authorizer.decide(request.user, asked)))


def _authorized(request: Request, asked: Attributes, answer: authorizer.Answer) -> None:
    decision, reason = answer
    if decision is Decision.ALLOW:
        return
    text = refusal(request.user, asked, reason)
    if asked.path:
        raise Forbidden(f"forbidden: {text}", details={})
    raise errors.forbidden(asked.group, asked.resource, asked.name, text)


def attributes(request: Request) -> Attributes:
    """What the request is for, as authorizers see it."""
    target = request.target
    if not target.plural:
        return Attributes(target.verb, path=target.path)
    namespace = target.namespace or (target.name if target.plural == "namespaces" and not target.group else "")
    subresource = target.subresource.partition("/")[0]  # what is behind it is a proxy's path
    asked = Attributes(target.verb, target.group, target.version, target.plural, subresource, namespace, target.name)
    if target.verb in SELECTING and target.parameters:
        return selected(asked, request.parameter("fieldSelector"), request.parameter("labelSelector"))
    return asked


def selected(asked: Attributes, fields: str, labels: str) -> Attributes:
    """With the selectors of a list, watch or deletecollection. One that selects by metadata.name asks for that name;
    one that cannot be parsed counts as none, since the verb will refuse it.
    """
    requirements: list[tuple[selectors.Requirement, ...]] = []
    for text, parse in ((fields, selectors.parse_fields), (labels, selectors.parse_labels)):
        try:
            requirements.append(parse(text).requirements if text else ())
        except selectors.SelectorError:
            requirements.append(())
    name = asked.name or next((r.values[0] for r in requirements[0] if r.key == NAME and r.operator == "In"), "")
    return asked._replace(name=name, fields=requirements[0], labels=requirements[1])


def dispatch(request: Request) -> Answer | Awaitable[Answer]:
    """Hand the request to its verb. Raises NotFound and MethodNotAllowed."""
    target = request.target
    if target.kind is None:
        return request.server.documents.answer(request)
    if target.name in NO_SEGMENTS or "%" in target.name:
        why = f"may not be '{target.name}'" if target.name in NO_SEGMENTS else "may not contain '%'"
        raise errors.BadRequest(f'Name parameter invalid: "{target.name}": {why}')
    if request.exchange.method == "HEAD" and target.subresource.partition("/")[0] != PROXY:
        raise MethodNotAllowed(NOT_ALLOWED, details={})
    if target.subresource:
        return _subresource(request)
    if target.verb not in target.kind.verbs or (target.verb == "create" and target.name):
        raise MethodNotAllowed(NOT_ALLOWED, details={})
    if target.kind.namespaced and not target.namespace and target.verb not in ("list", "watch"):
        raise MethodNotAllowed(NOT_ALLOWED, details={})
    warning = deprecations.KINDS.get((target.group, target.version, target.plural))
    if warning is not None:
        request.warnings.append(warning)
        if request.record is not None:
            request.record.annotate("k8s.io/deprecated", "true")
    return verbs.for_kind(target.kind, target.verb)(request)


def _subresource(request: Request) -> Answer | Awaitable[Answer]:
    target = request.target
    known = request.kind.subresources.get(target.subresource.split("/", 1)[0])
    if known is None:
        raise NotFound(NOT_FOUND, details={})
    if target.verb not in known.verbs:
        raise MethodNotAllowed(NOT_ALLOWED, details={})
    return verbs.for_subresource(request, known)(request)


Stage = Callable[[Request], Awaitable[None] | None]
REQUEST: tuple[Stage, ...] = (
    authenticate,
    audit,
    # flow control: a request waits here for its turn
    impersonate,
    authorize,
)


def own(write: Write) -> None:
    """Record who owns which field (KEP-555)."""
    managedfields.record(write)


def mutate(write: Write) -> Awaitable[None] | None:
    """Admission plugins that change the object."""
    if write.view is not None:
        return _mutate_shown(write, write.view)
    return write.request.server.admission.mutate(write)


async def _mutate_shown(write: Write, view: View) -> None:
    shown = view.show(write)
    await settled(write.request.server.admission.mutate(shown))
    view.carry(write, shown)


def allocate(write: Write) -> None:
    """Cluster addresses and node ports."""
    write.request.server.allocators.allocate(write)


def prepare(write: Write) -> None:
    """Each endpoint may touch only its part of the object; the rest stays as it is stored, and generations count."""
    if write.operation == CREATE:
        strategy.prepare_create(write.kind, write.new)
    else:
        now = write.request.server.clock.now()
        strategy.prepare_update(write.kind, write.new, write.old, write.subresource, now=now)


def validate(write: Write) -> None:
    """All violations of the kind's rules in one answer. Raises Invalid."""
    if write.operation == CREATE:
        wrong: list[FieldError] = validation.create(write.kind, write.new)
    else:
        wrong = validation.update(write.kind, write.new, write.old, write.subresource)
    if wrong:
        raise errors.invalid(write.kind.stored[0], write.kind.kind, write.name, wrong)


def warn(write: Write) -> None:
    """What is allowed and yet unwise goes back in `Warning` headers (KEP-1693)."""
    if write.operation == CREATE:
        texts = warnings.create(write.kind, write.new)
    elif write.subresource != "status":
        texts = warnings.update(write.kind, write.new, write.old)
    else:
        return
    told = write.request.warnings
    told.extend(text for text in texts if text not in told)


def approve(write: Write) -> Awaitable[None] | None:
    """Admission plugins that may only say no; before them, whoever makes an object with a verb for changing one must
    be allowed to create it.
    """
    if write.operation == CREATE and write.request.target.verb != "create":
        return _approve_created(write)
    return write.request.server.admission.validate(write.shown())


async def _approve_created(write: Write) -> None:
    target = write.request.target
    asked = Attributes(
        "create", target.group, target.version, target.plural, target.subresource, target.namespace, target.name
    )
    decision, reason = await settled(write.request.server.authorizer.decide(write.request.user, asked))
    if decision is not Decision.ALLOW:
        text = refusal(write.request.user, asked, reason)
        raise errors.forbidden(asked.group, asked.resource, asked.name, text)
    wait = write.request.server.admission.validate(write)
    if wait is not None:
        await wait


WRITE: tuple[Callable[[Write], Awaitable[None] | None], ...] = (
    own,
    mutate,
    prepare,
    allocate,
    validate,
    warn,
    approve,
)


COMPUTING = frozenset({own, prepare, validate, warn})
"""Stages that only compute, on this write alone: those of a heavy write run in a thread."""


async def through(write: Write) -> None:
    """Take a decoded write through its stages, up to the store. Raises ApiError;

    what was allocated is then given back.
    """
    heavy = is_heavy(write.request)
    try:
        for stage in WRITE:
            wait = asyncio.to_thread(stage, write) if heavy and stage in COMPUTING else stage(write)
            if wait is not None:
                await wait
    except BaseException:
        write.abandon()
        raise
