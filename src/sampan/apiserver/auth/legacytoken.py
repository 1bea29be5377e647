"""The older tokens of service accounts, kept in secrets of the type kubernetes.io/service-account-token: no expiry.

Such a token is good while the secret holds that very token, the account is the one it was made for, and nobody has
marked it invalid. https://kubernetes.io/docs/concepts/configuration/secret/#serviceaccount-token-secrets
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable

import msgspec

from sampan.apiserver.auth.authenticator import Rejected
from sampan.apiserver.auth.bearer import Audiences, Known, Plain
from sampan.apiserver.auth.claims import PREFIX, account, issuer
from sampan.apiserver.auth.keys import Keys
from sampan.apiserver.auth.serviceaccount import REMEMBERED, Find

ISSUER = "kubernetes/serviceaccount"
INVALID_SINCE = "kubernetes.io/legacy-token-invalid-since"
WHY = "service account token of a secret: "


class _Claims(msgspec.Struct, frozen=True):
    sub: str
    namespace: str = msgspec.field(name="kubernetes.io/serviceaccount/namespace")
    secret: str = msgspec.field(name="kubernetes.io/serviceaccount/secret.name")
    name: str = msgspec.field(name="kubernetes.io/serviceaccount/service-account.name")
    uid: str = msgspec.field(name="kubernetes.io/serviceaccount/service-account.uid")


class _Metadata(msgspec.Struct, gc=False):
    uid: str = ""
    deletionTimestamp: str | None = None
    labels: dict[str, str] | None = None


class _Object(msgspec.Struct, gc=False):
    metadata: _Metadata
    data: dict[str, str] | None = None


_OBJECTS = msgspec.json.Decoder(_Object)


class LegacyTokens(Plain):
    """Looks account and secret up on every request; the signature is checked once per token and set of keys."""

    def __init__(self, keys: Keys, find: Find, implicit: Audiences, now: Callable[[], float]) -> None:
        super().__init__(implicit)
        self._keys = keys
        self._find = find
        self._now = now
        self._generation = 0
        self._read: dict[bytes, _Claims] = {}

    def know(self, token: bytes, wanted: Audiences) -> Known | None:
        if (generation := self._keys.generation(self._now())) != self._generation:
            self._generation = generation
            self._read.clear()
        claims = self._read.get(token)
        if claims is None:
            if issuer(token) != ISSUER:
                return None
            claims = self._verified(token)
        meant = self.meant(wanted)
        if not meant:
            return None
        self._check_secret(claims, token)
        self._check_account(claims)
        return Known(account(claims.namespace, claims.name, claims.uid), meant)

    def _verified(self, token: bytes) -> _Claims:
        try:
            claims = msgspec.convert(self._keys.verify(token.decode("latin-1")), _Claims)
        except msgspec.ValidationError as error:
            raise Rejected(f"{WHY}{error}") from None
        if claims.sub != f"{PREFIX}{claims.namespace}:{claims.name}":
            raise Rejected(f"{WHY}its subject is not its account")
        if len(self._read) >= REMEMBERED:
            self._read.clear()
        self._read[token] = claims
        return claims

    def _check_secret(self, claims: _Claims, token: bytes) -> None:
        entry = self._find("secrets", claims.namespace, claims.secret)
        secret = _OBJECTS.decode(entry.data) if entry is not None else None
        if secret is None or secret.metadata.deletionTimestamp is not None:
            raise Rejected(f"{WHY}the secret is gone")
        try:
            kept = base64.b64decode((secret.data or {}).get("token", ""))
        except binascii.Error:
            kept = b""
        if not hmac.compare_digest(kept, token) or INVALID_SINCE in (secret.metadata.labels or {}):
            raise Rejected(f"{WHY}it has been made invalid")

    def _check_account(self, claims: _Claims) -> None:
        entry = self._find("serviceaccounts", claims.namespace, claims.name)
        metadata = _OBJECTS.decode(entry.data).metadata if entry is not None else None
        if metadata is None or metadata.uid != claims.uid or metadata.deletionTimestamp is not None:
            raise Rejected(f"{WHY}its account is gone")
