"""Bearer tokens: where they stand in a request, and the ways that may know them, asked in order.

A token is for audiences. A way that reads them out of the token says which of those wanted the token is for; a way
whose tokens name none (files, bootstrap tokens) is good for the audiences of the API server, and for no others.
https://kubernetes.io/docs/reference/access-authn-authz/authentication/#putting-a-bearer-token-in-a-request
"""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Awaitable, Sequence
from typing import NamedTuple, Protocol

from sampan.apiserver.auth.authenticator import Rejected, settled
from sampan.apiserver.auth.user import User
from sampan.apiserver.http.exchange import Exchange

log = logging.getLogger(__name__)
SCHEME = b"bearer "
PROTOCOLS = b"sec-websocket-protocol"
WEBSOCKET_PREFIX = b"base64url.bearer.authorization.k8s.io."
"""For browsers, which cannot set headers of a WebSocket: the token as one of the protocols asked for."""

Audiences = tuple[str, ...]


class Known(NamedTuple):
    """Whose token it is, and for which of the audiences that were wanted."""

    user: User
    audiences: Audiences


Outcome = Known | None
Answer = Outcome | Awaitable[Outcome]


class TokenWay(Protocol):
    """One kind of token. Must not block."""

    def know(self, token: bytes, wanted: Audiences) -> Answer:
        """None for a token of another kind, or for other audiences. Raises Rejected for a bad one."""


class Plain:
    """A way whose tokens name no audience; `implicit` are those they are good for."""

    def __init__(self, implicit: Audiences) -> None:
        self._implicit = implicit

    def meant(self, wanted: Audiences) -> Audiences:
        """Those wanted that such a token is good for."""
        if wanted is self._implicit:
            return wanted
        return tuple(one for one in wanted if one in self._implicit)


class Tokens:
    """All ways. `implicit` are the API server's own audiences."""

    def __init__(self, ways: Sequence[TokenWay], implicit: Audiences) -> None:
        self._ways = tuple(ways)
        self.implicit = implicit

    def know(self, token: bytes, wanted: Audiences) -> Known | Awaitable[Known]:
        """Raises Rejected when no way accepts the token."""
        for place, way in enumerate(self._ways, 1):
            try:
                found = way.know(token, wanted)
            except Rejected as error:
                log.debug("token refused why=%s", error)
                continue
            if found is None:
                continue
            return found if isinstance(found, Known) else self._later(found, token, wanted, place)
        raise Rejected("invalid bearer token")

    async def _later(self, waiting: Awaitable[Outcome], token: bytes, wanted: Audiences, place: int) -> Known:
        try:
            found = await waiting
        except Rejected as error:
            log.debug("token refused why=%s", error)
            found = None
        if found is not None:
            return found
        return await settled(Tokens(self._ways[place:], self.implicit).know(token, wanted))


class BearerAuthenticator:
    """The `Authenticator` of requests that carry a token."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def authenticate(self, exchange: Exchange) -> User | Awaitable[User | None] | None:
        token = shown(exchange)
        if not token:
            return None
        found = self._tokens.know(token, self._tokens.implicit)
        return found.user if isinstance(found, Known) else _user(found)


async def _user(waiting: Awaitable[Known]) -> User:
    return (await waiting).user


def shown(exchange: Exchange) -> bytes:
    """The token of a request, b"" when it has none."""
    headers = exchange.headers
    value = headers.get(b"authorization")
    if value is not None:
        return value[7:].strip() if value[:7].lower() == SCHEME else b""
    protocols = headers.get(PROTOCOLS)
    return _of_websocket(exchange, protocols) if protocols is not None else b""


def _of_websocket(exchange: Exchange, protocols: bytes) -> bytes:
    """Only of a request that asks for a WebSocket, and only beside another protocol, which will be the one agreed on;
    whoever the request is handed on to sees those others alone.

    Raises Rejected for a token that is not base64url.
    """
    if exchange.headers.get(b"upgrade", b"").lower() != b"websocket":
        return b""
    named = [one.strip() for one in protocols.split(b",")]
    tokens = [one for one in named if one.startswith(WEBSOCKET_PREFIX)]
    if not tokens or len(tokens) == len(named):
        return b""
    encoded = tokens[0][len(WEBSOCKET_PREFIX) :]
    exchange.headers = {**exchange.headers, PROTOCOLS: b", ".join(one for one in named if one not in tokens)}
    try:
        return base64.b64decode(encoded + b"=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise Rejected("the bearer token among the WebSocket protocols is not base64url") from None
