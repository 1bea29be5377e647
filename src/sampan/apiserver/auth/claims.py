"""What service accounts' tokens say (RFC 7519, 4.1; KEP-1205), and what a JWT says of itself before it is checked."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import msgspec

from sampan.apiserver.auth.user import AUTHENTICATED_GROUP, User

PREFIX = "system:serviceaccount:"
GROUP = "system:serviceaccounts"
CREDENTIAL = "authentication.kubernetes.io/credential-id"
NODE_NAME = "authentication.kubernetes.io/node-name"


class Bound(msgspec.Struct, frozen=True):
    """An object a token dies with."""

    name: str
    uid: str


class Private(msgspec.Struct, frozen=True, omit_defaults=True):
    """The claim `kubernetes.io`. From `warnafter` on (seconds since the epoch) the token should have been renewed."""

    namespace: str
    serviceaccount: Bound
    pod: Bound | None = None
    secret: Bound | None = None
    node: Bound | None = None
    warnafter: int | None = None


class Claims(msgspec.Struct, frozen=True, omit_defaults=True):
    """A bound token's claims."""

    aud: list[str]
    exp: int
    iat: int
    nbf: int
    iss: str
    sub: str
    kubernetes: Private = msgspec.field(name="kubernetes.io")
    jti: str = ""


class _Issued(msgspec.Struct):
    iss: str = ""


_ISSUED = msgspec.json.Decoder(_Issued)


def issuer(token: bytes) -> str:
    """Who a JWT says it is from, unchecked, to find who is to check it; "" for what is no JWT."""
    parts = token.split(b".")
    if len(parts) != 3:
        return ""
    try:
        payload = base64.urlsafe_b64decode(parts[1] + b"=" * (-len(parts[1]) % 4))
        return _ISSUED.decode(payload).iss
    except (binascii.Error, msgspec.MsgspecError, UnicodeDecodeError):
        return ""


def account(namespace: str, name: str, uid: str, extra: Mapping[str, tuple[str, ...]] | None = None) -> User:
    """The identity of a service account."""
    groups = (GROUP, f"{GROUP}:{namespace}", AUTHENTICATED_GROUP)
    return User(f"{PREFIX}{namespace}:{name}", uid=uid, groups=groups, extra=extra)


def user_of(claims: Claims) -> User:
    """The identity a bound token gives."""
    private = claims.kubernetes
    extra = {CREDENTIAL: (f"JTI={claims.jti}",)} if claims.jti else {}
    for kind, one in (("pod", private.pod), ("node", private.node)):
        if one is not None:
            extra[f"authentication.kubernetes.io/{kind}-name"] = (one.name,)
            extra[f"authentication.kubernetes.io/{kind}-uid"] = (one.uid,)
    return account(private.namespace, private.serviceaccount.name, private.serviceaccount.uid, extra)


def plain(claims: Claims) -> dict[str, Any]:
    """For signing."""
    made: dict[str, Any] = msgspec.to_builtins(claims)
    return made
