"""Tokens of one issuer, as a way of knowing bearer tokens."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from sampan.apiserver.auth.authenticator import Rejected, settled
from sampan.apiserver.auth.bearer import Answer, Audiences, Known, Outcome, Plain
from sampan.apiserver.auth.claims import issuer
from sampan.apiserver.auth.oidc import verification
from sampan.apiserver.auth.oidc.distributed import Distributed
from sampan.apiserver.auth.oidc.keyset import KeySet
from sampan.apiserver.auth.oidc.mapping import IdentityMapping
from sampan.apiserver.auth.user import User

REMEMBERED = 8192
REMEMBERED_SECONDS = 10.0
"""As long as upstream's token cache; what is kept is the work of checking a signature and mapping claims."""


class OidcTokens(Plain):
    """The audiences in these tokens are the issuer's clients; to Kubernetes such a token is for the API server."""

    def __init__(
        self,
        url: str,
        audiences: Sequence[str],
        mapping: IdentityMapping,
        keys: KeySet,
        *,
        now: Callable[[], float],
        implicit: Audiences,
        algorithms: Sequence[str] = verification.ALGORITHMS,
        distributed: Distributed | None = None,
    ) -> None:
        super().__init__(implicit)
        self._url = url
        self._audiences = tuple(audiences)
        self._mapping = mapping
        self._keys = keys
        self._now = now
        self._algorithms = tuple(algorithms)
        self._distributed = distributed
        self._known: dict[bytes, tuple[float, User]] = {}

    def know(self, token: bytes, wanted: Audiences) -> Answer:
        meant = self.meant(wanted)
        if not meant:
            return None
        known = self._known.get(token)
        if known is not None and self._now() < known[0]:
            return Known(known[1], meant)
        if issuer(token) != self._url:
            return None
        text = token.decode("latin-1")
        said = verification.head(text, self._algorithms)
        claims = verification.signed(text, said, self._keys.keys)
        if claims is None:
            waiting = self._keys.refresh()
            if waiting is not None:
                return self._later(waiting, token, text, said, meant)
            raise Rejected(self._why())
        return self._found(token, claims, meant)

    async def _later(
        self, waiting: Awaitable[None], token: bytes, text: str, said: verification.Head, meant: Audiences
    ) -> Outcome:
        await waiting
        claims = verification.signed(text, said, self._keys.keys)
        if claims is None:
            raise Rejected(
                f"oidc: authenticator not initialized: {self._keys.problem}" if self._keys.problem else UNSIGNED
            )
        return await settled(self._found(token, claims, meant))

    def _found(self, token: bytes, claims: dict[str, Any], meant: Audiences) -> Answer:
        """From claims that the issuer has signed."""
        verification.check(claims, self._audiences, self._now())
        source = self._distributed.source(claims) if self._distributed is not None else None
        if self._distributed is not None and source is not None:
            return self._expanded(token, claims, meant, self._distributed.value(source))
        return Known(self._user(token, claims), meant)

    async def _expanded(self, token: bytes, claims: dict[str, Any], meant: Audiences, value: Awaitable[Any]) -> Outcome:
        assert self._distributed is not None
        return Known(self._user(token, claims | {self._distributed.claim: await value}), meant)

    def _why(self) -> str:
        """Why a token's signature cannot be said to be good."""
        return UNSIGNED if self._keys.keys else f"oidc: authenticator not initialized: {self._keys.problem}"

    def _user(self, token: bytes, claims: dict[str, Any]) -> User:
        now = self._now()
        user = self._mapping.user(_as_upstream(claims))
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[token] = min(now + REMEMBERED_SECONDS, claims["exp"]), user
        return user


UNSIGNED = "oidc: verify token: failed to verify signature"


def _as_upstream(claims: dict[str, Any]) -> dict[str, Any]:
    """JSON's numbers are doubles in expressions, as Go reads them where no type is given."""
    again: dict[str, Any] = json.loads(json.dumps(claims), parse_int=float)
    return again
