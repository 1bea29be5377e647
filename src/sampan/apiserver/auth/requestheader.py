"""A proxy in front that has authenticated the user, and says so in headers.

Believed only from a connection whose client certificate is of the proxies' own authority and, if names are given, has
one of them. From anybody else the headers are taken away before anything else reads them, so that nobody can say in
them who he is. https://kubernetes.io/docs/reference/access-authn-authz/authentication/#authenticating-proxy
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote
from weakref import WeakSet

from sampan.aio.files import Watched
from sampan.apiserver.auth.authenticator import Rejected
from sampan.apiserver.auth.certificate import common_name, signed
from sampan.apiserver.auth.options import RequestHeaderOptions
from sampan.apiserver.auth.user import AUTHENTICATED_GROUP, User
from sampan.apiserver.http.exchange import Exchange, Peer

Said = Mapping[bytes, Sequence[bytes]]
"""Headers, each with the values it came with."""


class RequestHeaderAuthenticator:
    """The first way of the chain: a proxy's certificate must not be taken for the user's."""

    def __init__(self, options: RequestHeaderOptions, authority: Path) -> None:
        self._authority = authority
        self._watched = Watched([authority])
        self._believed: WeakSet[Peer] = WeakSet()
        self._names = frozenset(options.names)
        self._users = _lower(options.username_headers)
        self._uids = _lower(options.uid_headers)
        self._groups = _lower(options.group_headers)
        self._extras = _lower(options.extra_prefixes)
        self._fixed = frozenset((*self._users, *self._uids, *self._groups))

    def authenticate(self, exchange: Exchange) -> User | None:
        said = self._taken(exchange)
        if not any(header in said for header in self._users):
            return None
        peer = exchange.peer
        if peer is None:
            return None
        if self._watched.changed():
            self._believed.clear()
        if peer not in self._believed:
            if not self._checked(peer):
                return None
            self._believed.add(peer)
        return self._user(said)

    def _checked(self, peer: Peer) -> bool:
        """Whether the other end is a proxy; False without a certificate. Raises Rejected for one of somebody else."""
        encoded = peer.encoded_certificate()
        if encoded is None:
            return False
        if not signed(self._authority, encoded):
            raise Rejected("request header: the client certificate is not of the proxies' authority")
        if self._names and common_name(peer.certificate() or {}) not in self._names:
            raise Rejected("request header: the proxy's certificate has a name that is not allowed")
        return True

    def _taken(self, exchange: Exchange) -> Said:
        """The headers that say who it is, which are in the request no longer. The connection's own, which it may show
        once more, stay as they are.
        """
        headers = exchange.headers
        said = {n: exchange.values(n) for n in headers if n in self._fixed or n.startswith(self._extras)}
        if said:
            exchange.headers = {name: value for name, value in headers.items() if name not in said}
        return said

    def _user(self, said: Said) -> User | None:
        name = _first(said, self._users)
        if not name:
            return None
        groups = tuple(value for header in self._groups for value in _values(said.get(header, ())))
        extra: dict[str, tuple[str, ...]] = {}
        for prefix in self._extras:
            for header, value in said.items():
                if header.startswith(prefix):
                    key = unquote(header[len(prefix) :].decode("latin-1")).lower()
                    extra[key] = (*extra.get(key, ()), *_values(value))
        return User(name, uid=_first(said, self._uids), groups=(*groups, AUTHENTICATED_GROUP), extra=extra)


def _lower(names: Sequence[str]) -> tuple[bytes, ...]:
    return tuple(name.strip().lower().encode() for name in names)


def _first(said: Said, headers: Sequence[bytes]) -> str:
    return next((value for header in headers for value in _values(said.get(header, ()))), "")


def _values(given: Sequence[bytes]) -> list[str]:
    """One for each time the header was given: what has a comma in it is one name."""
    return [text for value in given if (text := value.decode("utf-8", "replace").strip())]
