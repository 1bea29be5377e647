"""X.509 client certificates: the common name is the user, each organisation a group.

The TLS layer has held the chain against `--client-ca-file` when the connection was made. A certificate that it found
wrong is a credential that is refused, and no reason to refuse another. Connections live longer than that: a certificate
whose end has passed is refused from then on, and after an authority was taken out of the file, so is whoever shows a
certificate that none of the others signed. Such a connection is closed with the answer, since its client may have a
better certificate by now, which only a new connection can show.
https://kubernetes.io/docs/reference/access-authn-authz/authentication/#x509-client-certificates
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from sampan.aio.files import Watched
from sampan.apiserver.auth.authenticator import Rejected
from sampan.apiserver.auth.claims import CREDENTIAL
from sampan.apiserver.auth.user import AUTHENTICATED_GROUP, User
from sampan.apiserver.http.exchange import Exchange, Peer

UID = "1.3.6.1.4.1.57683.2"
"""The attribute of a subject that holds the user's uid."""
LOOK_SECONDS = 1.0
"""How often the file of authorities is looked at, at most."""


class Known(NamedTuple):
    """What a connection's certificate was found to say; `end` in seconds since the epoch."""

    user: User | None
    end: float
    generation: int
    refused: bool = False


class CertificateAuthenticator:
    """Asks the connection once and remembers the answer as long as the connection lives.

    `authorities` is the file of those whose certificates count; None when nobody's do. `alone`: the TLS layer believes
    no others, so that it need not be asked again whose certificate this is; proxies may have an authority of their own.
    """

    def __init__(self, authorities: Path | None, now: Callable[[], float], *, alone: bool = True) -> None:
        self._now = now
        self._file = authorities
        self._alone = alone
        self._watched = Watched([authorities] if authorities is not None else [])
        self._looked = now()
        self._generation = 0
        self._known: WeakKeyDictionary[Peer, Known] = WeakKeyDictionary()

    def authenticate(self, exchange: Exchange) -> User | None:
        """Raises Rejected for a certificate that is not good, or was and is so no more."""
        peer = exchange.peer
        if peer is None:
            return None
        known = self._known.get(peer)
        if known is None:
            known = self._known[peer] = self._read(peer)
        if known.user is None:
            if known.refused:
                raise Rejected("client certificate")
            return None
        now = self._now()
        if not 0 <= now - self._looked < LOOK_SECONDS:
            self._look(now)
        if known.generation != self._generation and self._signed(peer):
            known = self._known[peer] = known._replace(generation=self._generation)
        if now > known.end or known.generation != self._generation:
            exchange.keep_alive = False
            raise Rejected("client certificate")
        return known.user

    def _read(self, peer: Peer) -> Known:
        certificate = peer.certificate()
        user = identity(certificate, peer.encoded_certificate()) if certificate else None
        if user is not None and not self._alone and not self._signed(peer):
            user = None
        if certificate is None or user is None:
            return Known(None, 0.0, self._generation, peer.is_unverified())
        return Known(user, ssl.cert_time_to_seconds(certificate["notAfter"]), self._generation)

    def _look(self, now: float) -> None:
        self._looked = now
        if self._watched.changed():
            self._generation += 1

    def _signed(self, peer: Peer) -> bool:
        """Whether one of the authorities in the file, as it is now, signed the peer's certificate."""
        shown = peer.encoded_certificate()
        return self._file is not None and shown is not None and signed(self._file, shown)


def identity(certificate: Mapping[str, Any], encoded: bytes | None = None) -> User | None:
    """The user a verified certificate (in `getpeercert` form, and in DER) names; None when it has no common name."""
    names, uids = _values(certificate, "commonName"), _values(certificate, UID)
    if not names or not names[-1] or len(uids) > 1:
        return None
    groups = (*_values(certificate, "organizationName"), AUTHENTICATED_GROUP)
    extra = {CREDENTIAL: (f"X509SHA256={hashlib.sha256(encoded).hexdigest()}",)} if encoded else {}
    return User(names[-1], uid="".join(uids), groups=groups, extra=extra)


def common_name(certificate: Mapping[str, Any]) -> str:
    """The last common name of a certificate's subject, "" without one."""
    return next(reversed(_values(certificate, "commonName")), "")


def _values(certificate: Mapping[str, Any], name: str) -> list[str]:
    return [value for part in certificate.get("subject", ()) for attribute, value in part if attribute == name]


def signed(file: Path, certificate: bytes) -> bool:
    """Whether one of the authorities in a PEM file has itself signed a certificate (DER). Its time of validity was
    looked at by the TLS layer. False for a file that cannot be read.
    """
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature

    shown = x509.load_der_x509_certificate(certificate)
    try:
        authorities = x509.load_pem_x509_certificates(file.read_bytes())
    except (OSError, ValueError):
        return False
    for authority in authorities:
        try:
            shown.verify_directly_issued_by(authority)
        except (InvalidSignature, ValueError, TypeError):
            continue
        return True
    return False
