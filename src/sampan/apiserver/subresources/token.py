"""`serviceaccounts/token`: a new token for an account (authentication.k8s.io/v1 TokenRequest)."""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.aio.clock import timestamp
from sampan.api import errors
from sampan.api.errors import FieldError
from sampan.api.kinds import authentication_v1
from sampan.apiserver import decode, managedfields, metadata, stored
from sampan.apiserver.admission.nodetokens import check_token
from sampan.apiserver.answers import struct_answer
from sampan.apiserver.auth.serviceaccount import PREFIX, Bound, Claims, Private
from sampan.apiserver.http.exchange import Response
from sampan.apiserver.request import Request
from sampan.apiserver.subresources import kinds
from sampan.apiserver.verbs.get import find
from sampan.apiserver.write import CREATE, Write

LEAST_SECONDS = 600
MOST_SECONDS = 1 << 32
DEFAULT_SECONDS = 3600
BINDABLE = {("v1", "Pod"): "pods", ("v1", "Secret"): "secrets", ("v1", "Node"): "nodes"}


def create(request: Request) -> Response:
    """201 with the request and its token. Raises NotFound, Conflict and Invalid."""
    server, target = request.server, request.target
    wanted = decode.body(request, kinds.token_request())
    account = stored.from_bytes(request.kind, find(request).data)
    write = Write(request, CREATE, new=wanted, kind=kinds.token_request(), subresource="token")
    managedfields.record(write)
    now = server.clock.now()
    spec = wanted.spec = wanted.spec or authentication_v1.TokenRequestSpec()
    if spec.expirationSeconds is None:
        spec.expirationSeconds = DEFAULT_SECONDS
    _check(spec)
    check_token(request, spec.boundObjectRef, spec.audiences or ())
    spec.audiences = spec.audiences or [server.config.service_account_issuer]
    meta = metadata.ensure(wanted)
    meta.name, meta.namespace = target.name, target.namespace
    meta.uid, meta.creationTimestamp = metadata.new_uid(server.rng), timestamp(now)
    private = Private(
        namespace=target.namespace,
        serviceaccount=Bound(account.metadata.name, account.metadata.uid),
        **_bound(request, spec.boundObjectRef),
    )
    expires = int(now) + spec.expirationSeconds
    claims = Claims(
        aud=spec.audiences,
        exp=expires,
        iat=int(now),
        nbf=int(now),
        iss=server.config.service_account_issuer,
        jti=metadata.new_uid(server.rng),
        sub=f"{PREFIX}{target.namespace}:{target.name}",
        kubernetes=private,
    )
    wanted.status = authentication_v1.TokenRequestStatus(
        token=server.token_keys().sign(claims), expirationTimestamp=timestamp(expires)
    )
    answer = struct_answer(request, wanted, 201)
    if spec.boundObjectRef is None:
        answer.body = answer.whole().replace(b'"spec":{', b'"spec":{"boundObjectRef":null,', 1)
    return answer


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


class _Object(msgspec.Struct, gc=False):
    metadata: _Metadata


def _bound(request: Request, reference: Any) -> dict[str, Bound]:
    """The claim of the object the token is to be bound to, if any. Raises NotFound and Conflict."""
    if reference is None:
        return {}
    plural = BINDABLE.get((reference.apiVersion or "v1", reference.kind or ""))
    if plural is None:
        raise errors.BadRequest(f"cannot bind a token to an object of type {reference.kind}")
    namespace = None if plural == "nodes" else request.target.namespace
    entry = request.server.cache.resource("", plural).get(namespace, reference.name or "")
    if entry is None:
        raise errors.not_found("", plural, reference.name or "")
    uid = msgspec.json.decode(entry.data, type=_Object).metadata.uid
    if reference.uid and reference.uid != uid:
        why = f"the UID in the bound object reference ({reference.uid}) does not match the UID in record. "
        raise errors.conflict("", plural, entry.name, why + "The object might have been deleted and then recreated")
    return {plural[:-1]: Bound(entry.name, uid)}
