"""Service accounts' tokens: signed JWTs, bound to the account and, if asked, to a pod, secret or node (KEP-1205).

A token is good while its signature, time and audience are, and while the very objects it is bound to exist: deleting
the pod, or the account, revokes it, and so does another object of the same name. An object that is being deleted
counts as gone a minute after the time it was to be gone at. What a token says is checked against the watch cache on
every request; the signature only once per token and set of keys.
https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-tokens
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import msgspec

from sampan.aio.clock import parse_timestamp
from sampan.apiserver.auth.authenticator import Rejected
from sampan.apiserver.auth.bearer import Audiences, Known
from sampan.apiserver.auth.claims import Bound, Claims, Private, issuer, user_of
from sampan.apiserver.auth.keys import Keys

REMEMBERED = 16_384
LEEWAY_SECONDS = 60.0


class Stored(Protocol):
    """An entry of the watch cache: an object's JSON. Another revision is another entry."""

    @property
    def data(self) -> bytes: ...


Find = Callable[[str, str, str], Stored | None]
"""Plural, namespace ("" for none) and name of a core object to its entry."""


class _Metadata(msgspec.Struct, gc=False):
    uid: str = ""
    deletionTimestamp: str | None = None


class Object(msgspec.Struct, gc=False):
    """As much of an object as tells whether it is the one meant."""

    metadata: _Metadata


_OBJECTS = msgspec.json.Decoder(Object)


class _Read:
    """A token whose signature is good. `seen` are the entries of its objects that were looked at and are all right."""

    __slots__ = ("audiences", "bound", "claims", "known", "seen")

    def __init__(self, claims: Claims, implicit: Audiences) -> None:
        self.claims = claims
        self.audiences = tuple(claims.aud)
        self.known = Known(user_of(claims), meant(self.audiences, implicit))
        self.bound = tuple(bound(claims.kubernetes))
        self.seen: dict[str, Stored] = {}


class BoundTokens:
    """Recognises a JWT by its issuer; anything else is not its business. `stale` counts uses of overdue tokens."""

    def __init__(
        self, keys: Keys, *, issuers: Sequence[str], implicit: Audiences, find: Find, now: Callable[[], float]
    ) -> None:
        self._keys = keys
        self._issuers = frozenset(issuers)
        self._implicit = implicit
        self._find = find
        self._now = now
        self._read: dict[bytes, _Read] = {}
        self._generation = 0
        self.stale = 0

    def know(self, token: bytes, wanted: Audiences) -> Known | None:
        now = self._now()
        if (generation := self._keys.generation(now)) != self._generation:
            self._generation = generation
            self._read.clear()
        read = self._read.get(token)
        if read is None:
            if issuer(token) not in self._issuers:
                return None
            read = self._verified(token)
        check_time(read.claims, now)
        known = read.known
        if wanted is not self._implicit:
            known = Known(known.user, meant(read.audiences, wanted))
        if not known.audiences:
            raise Rejected("service account token: for another audience")
        for plural, namespace, one in read.bound:
            self._check_bound(read, plural, namespace, one, now)
        if read.claims.kubernetes.warnafter and now > read.claims.kubernetes.warnafter:
            self.stale += 1
        return known

    def _verified(self, token: bytes) -> _Read:
        plain = self._keys.verify(token.decode("latin-1"))
        try:
            claims = msgspec.convert(plain, Claims)
        except msgspec.ValidationError as error:
            raise Rejected(f"service account token: {error}") from None
        if len(self._read) >= REMEMBERED:
            self._read.clear()
        read = self._read[token] = _Read(claims, self._implicit)
        return read

    def _check_bound(self, read: _Read, plural: str, namespace: str, one: Bound, now: float) -> None:
        """Raises Rejected when the object is not there, is another one, or is to be gone since long."""
        entry = self._find(plural, namespace, one.name)
        if entry is not None and read.seen.get(plural) is entry:
            return
        metadata = _OBJECTS.decode(entry.data).metadata if entry is not None else None
        if metadata is None or metadata.uid != one.uid or gone(metadata.deletionTimestamp, now):
            raise Rejected(f"service account token: its {plural[:-1]} is gone")
        if entry is not None and metadata.deletionTimestamp is None:
            read.seen[plural] = entry


def check_time(claims: Claims, now: float) -> None:
    """Clocks may differ by a minute. Raises Rejected."""
    if now > claims.exp + LEEWAY_SECONDS:
        raise Rejected("service account token: expired")
    if now < claims.nbf - LEEWAY_SECONDS:
        raise Rejected("service account token: not valid yet")
    if now < claims.iat - LEEWAY_SECONDS:
        raise Rejected("service account token: issued in the future")


def bound(private: Private) -> Iterator[tuple[str, str, Bound]]:
    """The objects a token needs, as plural, namespace and object. With a pod's, the node is for information only."""
    yield "serviceaccounts", private.namespace, private.serviceaccount
    if private.secret is not None:
        yield "secrets", private.namespace, private.secret
    if private.pod is not None:
        yield "pods", private.namespace, private.pod
    elif private.node is not None:
        yield "nodes", "", private.node


def meant(audiences: Audiences, wanted: Audiences) -> Audiences:
    """Those of a token's audiences that are wanted."""
    return tuple(one for one in audiences if one in wanted)


def gone(deletion: str | None, now: float) -> bool:
    """Whether an object was to be gone more than a minute ago."""
    return deletion is not None and parse_timestamp(deletion) < now - LEEWAY_SECONDS
