"""Groups that are not in the token: it tells where they are, and a token from there, by an issuer of its own, has them.

The endpoint is believed since the user's token names it, which our issuer has signed; what it answers must be signed by
the issuer it names, for one of our audiences, and good now. OpenID Connect Core 1.0, section 5.6.2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from sampan.aio.clock import Clock
from sampan.apiserver.auth.authenticator import Rejected
from sampan.apiserver.auth.claims import issuer
from sampan.apiserver.auth.oidc import verification
from sampan.apiserver.auth.oidc.keyset import KeySet
from sampan.apiserver.outgoing import Unreachable

NAMES, SOURCES = "_claim_names", "_claim_sources"
MOST_ISSUERS = 16
WHY = "oidc: distributed claims: "


class Getter(Protocol):
    """Who fetches: `outgoing.Caller`."""

    async def get(self, url: str, *, token: str = "") -> tuple[int, bytes]: ...

    async def close(self) -> None: ...


class Source(msgspec.Struct, frozen=True):
    """Where claims are to be had, and what to show there."""

    endpoint: str = ""
    access_token: str = ""


def source(claims: Mapping[str, Any], claim: str) -> Source | None:
    """Where the claim is to be had; None when it is there already, or nowhere. Pure.

    Raises Rejected for what makes no sense.
    """
    if claim in claims or NAMES not in claims:
        return None
    try:
        names = msgspec.convert(claims[NAMES], dict[str, str])
        sources = msgspec.convert(claims.get(SOURCES), dict[str, Source])
    except msgspec.ValidationError:
        raise Rejected(f"{WHY}{NAMES} and {SOURCES} are not what they should be") from None
    if claim not in names:
        return None
    found = sources.get(names[claim])
    if found is None:
        raise Rejected(f"{WHY}{SOURCES} lacks a source that {NAMES} names")
    return found if found.endpoint else None


class Distributed:
    """Fetches `claim` for tokens of one issuer. `getter` trusts what that issuer's configuration trusts."""

    def __init__(
        self, claim: str, getter: Getter, clock: Clock, *, audiences: Sequence[str], algorithms: Sequence[str]
    ) -> None:
        self.claim = claim
        self._getter = getter
        self._clock = clock
        self._audiences = tuple(audiences)
        self._algorithms = tuple(algorithms)
        self._keys: dict[str, KeySet] = {}

    def source(self, claims: Mapping[str, Any]) -> Source | None:
        """Where the claim has to be fetched from, if it has to be. Raises Rejected."""
        return source(claims, self.claim)

    async def value(self, source: Source) -> Any:
        """The claim's value. Raises Rejected, with words that tell no token."""
        if not source.endpoint.startswith("https://"):
            raise Rejected(f"{WHY}the endpoint is no https:// address")
        try:
            status, body = await self._getter.get(source.endpoint, token=source.access_token)
        except Unreachable as error:
            raise Rejected(f"{WHY}{error}") from None
        if not 200 <= status < 300:
            raise Rejected(f"{WHY}{source.endpoint}: HTTP {status}")
        claims = await self._verified(body.strip())
        if self.claim not in claims:
            raise Rejected(f"{WHY}the token from {source.endpoint} lacks the claim")
        return claims[self.claim]

    async def _verified(self, token: bytes) -> dict[str, Any]:
        named = issuer(token)
        if not named.startswith("https://"):
            raise Rejected(f"{WHY}what was fetched is no token of an https:// issuer")
        text, keys = token.decode("latin-1"), self._keys_of(named)
        said = verification.head(text, self._algorithms)
        claims = verification.signed(text, said, keys.keys)
        if claims is None:
            waiting = keys.refresh()
            if waiting is not None:
                await waiting
            claims = verification.signed(text, said, keys.keys)
        if claims is None:
            raise Rejected(f"{WHY}{keys.problem or 'the fetched token is not signed by its issuer'}")
        verification.check(claims, self._audiences, self._clock.now())
        return claims

    def _keys_of(self, named: str) -> KeySet:
        if named not in self._keys:
            if len(self._keys) >= MOST_ISSUERS:
                raise Rejected(f"{WHY}more than {MOST_ISSUERS} issuers")
            self._keys[named] = KeySet(named, self._getter, self._clock)
        return self._keys[named]

    async def close(self) -> None:
        for keys in self._keys.values():
            await keys.close()
        await self._getter.close()
