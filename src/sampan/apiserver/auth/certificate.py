"""X.509 client certificates: the common name is the user, each organisation a group.

The TLS layer has verified the chain against `--client-ca-file` before a request is seen.
https://kubernetes.io/docs/reference/access-authn-authz/authentication/#x509-client-certificates
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from sampan.apiserver.auth.user import AUTHENTICATED_GROUP, User
from sampan.apiserver.http.exchange import Exchange, Peer


class CertificateAuthenticator:
    """Asks the connection once and remembers the answer as long as the connection lives."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[Peer, User | None] = WeakKeyDictionary()

    def authenticate(self, exchange: Exchange) -> User | None:
        peer = exchange.peer
        if peer is None:
            return None
        try:
            return self._known[peer]
        except KeyError:
            certificate = peer.certificate()
            user = self._known[peer] = identity(certificate) if certificate else None
            return user


def identity(certificate: dict[str, Any]) -> User | None:
    """The user a verified certificate (in `getpeercert` form) names; None when it has no common name."""
    name = ""
    groups = []
    for relative_name in certificate.get("subject", ()):
        for attribute, value in relative_name:
            if attribute == "commonName":
                name = value
            elif attribute == "organizationName":
                groups.append(value)
    return User(name, groups=(*groups, AUTHENTICATED_GROUP)) if name else None
