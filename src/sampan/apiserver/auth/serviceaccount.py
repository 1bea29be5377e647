"""Service accounts' tokens: signed JWTs, bound to the account and, if asked, to a pod, secret or node (KEP-1205).

A token is good while its signature, time and audience are, and while the very objects it is bound to exist: deleting
the pod, or the account, revokes it. What a token says is checked against the watch cache on every request; the
signature only once per token.
https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-tokens
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from sampan.apiserver.auth.authenticator import Rejected
from sampan.apiserver.auth.token import SCHEME
from sampan.apiserver.auth.user import AUTHENTICATED_GROUP, User
from sampan.apiserver.http.exchange import Exchange

PREFIX = "system:serviceaccount:"
GROUP = "system:serviceaccounts"
REMEMBERED = 4096
LEEWAY_SECONDS = 10


class Bound(msgspec.Struct, frozen=True):
    """An object a token dies with."""

    name: str
    uid: str


class Private(msgspec.Struct, frozen=True, omit_defaults=True):
    """The claim `kubernetes.io`."""

    namespace: str
    serviceaccount: Bound
    pod: Bound | None = None
    secret: Bound | None = None
    node: Bound | None = None


class Claims(msgspec.Struct, frozen=True, omit_defaults=True):
    """A token's claims (RFC 7519, 4.1)."""

    aud: list[str]
    exp: int
    iat: int
    nbf: int
    iss: str
    jti: str
    sub: str
    kubernetes: Private = msgspec.field(name="kubernetes.io")


class Keys:
    """The signing key of a cluster, in a PEM file that is read when first needed.

    ES256 or RS256, after the key's kind.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._key: Any = None

    def sign(self, claims: Claims) -> str:
        """A compact JWS (RFC 7515, 7.1)."""
        import jwt

        key = self._private()
        return jwt.encode(
            msgspec.to_builtins(claims), key, algorithm=_algorithm(key), headers={"kid": self._identifier()}
        )

    def verify(self, token: str) -> Claims:
        """The claims of a token this cluster signed. Raises Rejected; times and audience are not looked at."""
        import jwt

        key = self._private()
        try:
            plain = jwt.decode(
                token,
                key.public_key(),
                algorithms=[_algorithm(key)],
                options={"verify_exp": False, "verify_aud": False, "verify_nbf": False, "verify_iat": False},
            )
            return msgspec.convert(plain, Claims)
        except (jwt.PyJWTError, msgspec.ValidationError) as error:
            raise Rejected(f"service account token: {error}") from None

    def public(self) -> tuple[Any, str, str]:
        """The public key, its id and the algorithm, for whoever is to check tokens."""
        key = self._private()
        return key.public_key(), self._identifier(), _algorithm(key)

    def _identifier(self) -> str:
        """The key's id: a hash of its public half."""
        import base64
        import hashlib

        from cryptography.hazmat.primitives import serialization

        public = self._private().public_key()
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        digest = hashlib.sha256(public.public_bytes(serialization.Encoding.DER, form)).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def _private(self) -> Any:
        if self._key is None:
            from cryptography.hazmat.primitives import serialization

            self._key = serialization.load_pem_private_key(self._path.read_bytes(), password=None)
        return self._key


def _algorithm(key: Any) -> str:
    return "RS256" if hasattr(key, "private_numbers") and hasattr(key.public_key().public_numbers(), "n") else "ES256"


Exists = Callable[[str, str, str, str], bool]
"""Plural, namespace ("" for none), name, uid: whether this very object exists and is not yet gone."""


class ServiceAccountAuthenticator:
    """Recognises a JWT by its issuer; anything else is not its business."""

    def __init__(
        self, keys: Keys, *, issuer: str, audiences: Sequence[str], exists: Exists, now: Callable[[], float]
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audiences = frozenset(audiences)
        self._exists = exists
        self._now = now
        self._known: dict[bytes, tuple[Claims, User]] = {}

    def authenticate(self, exchange: Exchange) -> User | None:
        value = exchange.headers.get(b"authorization")
        if value is None or value[:7].lower() != SCHEME:
            return None
        token = value[7:].strip()
        known = self._known.get(token)
        if known is None:
            if token.count(b".") != 2:
                return None
            known = self._read(token)
        claims, user = known
        self._check(claims)
        return user

    def _read(self, token: bytes) -> tuple[Claims, User]:
        claims = self._keys.verify(token.decode("latin-1"))
        if claims.iss != self._issuer:
            raise Rejected("service account token: another issuer's")
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        known = self._known[token] = claims, user_of(claims)
        return known

    def _check(self, claims: Claims) -> None:
        """Time, audience, and the objects it is bound to. Raises Rejected."""
        now = self._now()
        if now > claims.exp + LEEWAY_SECONDS or now < claims.nbf - LEEWAY_SECONDS:
            raise Rejected("service account token: expired")
        if not self._audiences.intersection(claims.aud):
            raise Rejected("service account token: for another audience")
        private = claims.kubernetes
        bound = [("serviceaccounts", private.namespace, private.serviceaccount)]
        bound += [("pods", private.namespace, private.pod)] if private.pod else []
        bound += [("secrets", private.namespace, private.secret)] if private.secret else []
        bound += [("nodes", "", private.node)] if private.node and not private.pod else []
        for plural, namespace, one in bound:
            if not self._exists(plural, namespace, one.name, one.uid):
                raise Rejected(f"service account token: its {plural[:-1]} is gone")


def user_of(claims: Claims) -> User:
    """The identity a token gives."""
    private = claims.kubernetes
    extra = {"authentication.kubernetes.io/credential-id": (f"JTI={claims.jti}",)}
    for kind, one in (("pod", private.pod), ("node", private.node)):
        if one is not None:
            extra[f"authentication.kubernetes.io/{kind}-name"] = (one.name,)
            extra[f"authentication.kubernetes.io/{kind}-uid"] = (one.uid,)
    return User(
        claims.sub,
        uid=private.serviceaccount.uid,
        groups=(GROUP, f"{GROUP}:{private.namespace}", AUTHENTICATED_GROUP),
        extra=extra,
    )
