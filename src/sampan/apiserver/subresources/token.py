"""`serviceaccounts/token`: a new token for an account (authentication.k8s.io/v1 TokenRequest)."""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.aio.clock import timestamp
from sampan.api import errors
from sampan.api.accountvolume import TOKEN_SECONDS
from sampan.api.errors import FieldError
from sampan.api.kinds import authentication_v1
from sampan.apiserver import decode, managedfields, metadata, stored
from sampan.apiserver.answers import struct_answer
from sampan.apiserver.auth.authenticator import settled
from sampan.apiserver.auth.claims import PREFIX, Bound, Claims, Private, plain
from sampan.apiserver.auth.options import ServiceAccountIssuing
from sampan.apiserver.http.exchange import Response
from sampan.apiserver.request import Request
from sampan.apiserver.subresources import kinds
from sampan.apiserver.verbs.get import find
from sampan.apiserver.write import CREATE, Write

LEAST_SECONDS = 600
MOST_SECONDS = 1 << 32
ISSUED = "authentication.kubernetes.io/issued-credential-id"
DEFAULT_SECONDS = 3600
EXTENDED_SECONDS = 365 * 24 * 3600
BINDABLE = {("v1", "Pod"): "pods", ("v1", "Secret"): "secrets", ("v1", "Node"): "nodes"}


async def create(request: Request) -> Response:
    """201 with the request and its token. Raises NotFound, Conflict and Invalid."""
    server, target, issuing = request.server, request.target, request.server.authentication.service_accounts
    wanted = decode.body(request, kinds.token_request())
    write = Write(request, CREATE, new=wanted, kind=kinds.token_request())
    managedfields.record(write)
    await settled(server.admission.mutate(write))
    meta = metadata.ensure(wanted)
    _check_place(request, meta)
    account = stored.from_bytes(request.kind, find(request).data)
    _check_account(meta, account.metadata)
    now = server.clock.now()
    spec = wanted.spec = wanted.spec or authentication_v1.TokenRequestSpec()
    if spec.expirationSeconds is None:
        spec.expirationSeconds = DEFAULT_SECONDS
    _check(spec)
    await settled(server.admission.validate(write))
    spec.audiences = spec.audiences or list(issuing.audiences)
    meta.name, meta.namespace = target.name, target.namespace
    meta.uid, meta.creationTimestamp = account.metadata.uid, timestamp(now)
    bound = _bound(request, spec.boundObjectRef)
    if 0 < issuing.max_seconds < spec.expirationSeconds:
        asked, spec.expirationSeconds = spec.expirationSeconds, issuing.max_seconds
        text = f"requested expiration of {asked} seconds shortened to {issuing.max_seconds} seconds"
        request.warnings.append(text)
    lasting = _lasting(issuing, spec, bound)
    warn_after = int(now) + spec.expirationSeconds if lasting != spec.expirationSeconds else None
    private = Private(
        namespace=target.namespace,
        serviceaccount=Bound(account.metadata.name, account.metadata.uid),
        warnafter=warn_after,
        **bound,
    )
    claims = Claims(
        aud=spec.audiences,
        exp=int(now) + lasting,
        iat=int(now),
        nbf=int(now),
        iss=issuing.issuer,
        jti=metadata.new_uid(server.rng),
        sub=f"{PREFIX}{target.namespace}:{target.name}",
        kubernetes=private,
    )
    if request.record is not None:
        request.record.annotate(ISSUED, f"JTI={claims.jti}")
    wanted.status = authentication_v1.TokenRequestStatus(
        token=server.token_keys().sign(plain(claims)), expirationTimestamp=timestamp(now + spec.expirationSeconds)
    )
    answer = struct_answer(request, wanted, 201)
    if spec.boundObjectRef is None:
        answer.body = answer.whole().replace(b'"spec":{', b'"spec":{"boundObjectRef":null,', 1)
    return answer


def _lasting(issuing: ServiceAccountIssuing, spec: Any, bound: dict[str, Bound]) -> int:
    """Seconds for which the token is really good. One of the kind that every pod gets lasts a year, so that a program
    that never reads it again goes on; from the time it was asked for, its uses are counted as stale.
    """
    usual = (
        issuing.extend
        and "pod" in bound
        and spec.expirationSeconds == TOKEN_SECONDS
        and set(spec.audiences) <= set(issuing.audiences)
    )
    return EXTENDED_SECONDS if usual else int(spec.expirationSeconds)


def _check_place(request: Request, meta: Any) -> None:
    """A name or namespace in the body must be the account's. Raises Invalid."""
    for field, wanted in (("name", request.target.name), ("namespace", request.target.namespace)):
        said = getattr(meta, field)
        if said and said != wanted:
            text = f'Invalid value: "{said}": must match the service account {field} if specified'
            wrong = FieldError(errors.INVALID, f"metadata.{field}", text)
            raise errors.invalid("authentication.k8s.io", "TokenRequest", request.target.name, [wrong])


def _check_account(meta: Any, account: Any) -> None:
    """A uid in the body must be the account's: of another of the same name there are no tokens. Raises Conflict."""
    if meta.uid and meta.uid != account.uid:
        why = f"the UID in the token request ({meta.uid}) does not match the UID of the service account ({account.uid})"
        raise errors.conflict("authentication.k8s.io", "TokenRequest", account.name, why)


def _check(spec: Any) -> None:
    wrong = []
    if spec.expirationSeconds < LEAST_SECONDS:
        text = f"Invalid value: {spec.expirationSeconds}: may not specify a duration less than 10 minutes"
        wrong.append(FieldError(errors.INVALID, "spec.expirationSeconds", text))
    if spec.expirationSeconds > MOST_SECONDS:
        text = f"Invalid value: {spec.expirationSeconds}: may not specify a duration larger than 2^32 seconds"
        wrong.append(FieldError(errors.INVALID, "spec.expirationSeconds", text))
    if wrong:
        raise errors.invalid("authentication.k8s.io", "TokenRequest", "", wrong)


class _Metadata(msgspec.Struct, gc=False):
    uid: str = ""


class _Spec(msgspec.Struct, gc=False):
    nodeName: str | None = None
    serviceAccountName: str | None = None


class _Object(msgspec.Struct, gc=False):
    metadata: _Metadata
    spec: _Spec | None = None


_OBJECTS = msgspec.json.Decoder(_Object)


def _bound(request: Request, reference: Any) -> dict[str, Bound]:
    """The claims of the object the token is to be bound to, if any. Raises NotFound, Conflict and BadRequest."""
    if reference is None:
        return {}
    plural = BINDABLE.get((reference.apiVersion or "v1", reference.kind or ""))
    if plural is None:
        version = reference.apiVersion or ""
        version = version if "/" in version else f"/{version}"
        raise errors.BadRequest(f"cannot bind token to object of type {version}, Kind={reference.kind}")
    place = None if plural == "nodes" else request.target.namespace
    name = reference.name or ""
    found = _found(request, plural, place, name)
    if found is None:
        raise errors.not_found("", plural, name)
    made = {plural[:-1]: Bound(name, found.metadata.uid)}
    if plural == "pods" and found.spec is not None:
        made |= _of_pod(request, found.spec)
    if reference.uid and reference.uid != found.metadata.uid:
        why = f"the UID in the bound object reference ({reference.uid}) does not match the UID in record. "
        raise errors.conflict("", reference.kind, name, why + "The object might have been deleted and then recreated")
    return made


def _of_pod(request: Request, spec: _Spec) -> dict[str, Bound]:
    """The node a pod runs on, for information. Raises BadRequest for a pod of another account."""
    account = request.target.name
    if spec.serviceAccountName != account:
        raise errors.BadRequest(
            f'cannot bind token for serviceaccount "{account}" to pod running with different serviceaccount name.'
        )
    if not spec.nodeName:
        return {}
    node = _found(request, "nodes", None, spec.nodeName)
    return {"node": Bound(spec.nodeName, node.metadata.uid if node is not None else "")}


def _found(request: Request, plural: str, namespace: str | None, name: str) -> _Object | None:
    entry = request.server.cache.resource("", plural).get(namespace, name)
    return _OBJECTS.decode(entry.data) if entry is not None else None
