"""The keys of service accounts' tokens: one that signs, and all whose signatures are believed.

Several are believed while keys are rotated: first the new public key is added everywhere, then it signs, then the old
one goes. `--service-account-key-file` of https://kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver/
"""

from __future__ import annotations

import base64
import hashlib
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sampan.aio.files import Watched
from sampan.apiserver.auth.authenticator import Rejected

log = logging.getLogger(__name__)
LOOK_SECONDS = 1.0
"""How often the files are looked at, at most."""
CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.+?-----END \1-----\n?", re.DOTALL)
NO_CLAIM_CHECKS: Any = {f"verify_{name}": False for name in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")}


class PublicKey(NamedTuple):
    """A key that signatures are checked with. `identifier` is a hash of it; `algorithm` the only one it is good for:
    whoever lets the token choose can be told to take the public key for a shared secret.
    """

    key: Any
    identifier: str
    algorithm: str


class Keys:
    """`signing` is the PEM file of a private key, None where no tokens are made; `believed` hold keys or certificates,
    several in a file if need be, and default to the signing key and what is in the file of its name with `.pub`.

    The files are read when first needed, and again when they change; files that will not do then leave the last good
    keys in force. `generation` counts how often the keys have changed: what was verified before is to be verified anew.
    """

    def __init__(self, signing: Path | None, believed: Sequence[Path] = (), *, now: Callable[[], float]) -> None:
        self._signing = signing
        self._believed = tuple(believed)
        self._now = now
        self._looked = now()
        self._watched = Watched(self._files())
        self._private: Any = None
        self._public: tuple[PublicKey, ...] = ()
        self._generation = 0

    @property
    def signs(self) -> bool:
        return self._signing is not None

    def load(self) -> None:
        """Read the files. Raises OSError, and ValueError naming a file that holds no key."""
        private = _private(self._signing) if self._signing is not None else None
        files = self._believed or tuple(file for file in self._files() if file == self._signing or file.exists())
        self._public = tuple({key.identifier: key for file in files for key in read(file)}.values())
        self._private = private

    def generation(self, now: float) -> int:
        """Looks at the files, at most every second."""
        if not 0 <= now - self._looked < LOOK_SECONDS:
            self._looked = now
            if self._watched.changed() and self._public:
                self._reload()
        return self._generation

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A compact JWS (RFC 7515, 7.1)."""
        import jwt

        self._loaded()
        own = described(self._private.public_key())
        return jwt.encode(dict(claims), self._private, algorithm=own.algorithm, headers={"kid": own.identifier})

    def verify(self, token: str) -> dict[str, Any]:
        """The claims of a token that one of the keys has signed; they are not looked at. Raises Rejected."""
        import jwt

        try:
            named = jwt.get_unverified_header(token).get("kid")
        except jwt.PyJWTError:
            raise Rejected("service account token: it cannot be read") from None
        for key in self.public(named):
            try:
                return jwt.decode(token, key.key, algorithms=[key.algorithm], options=NO_CLAIM_CHECKS)
            except jwt.PyJWTError:
                continue
        raise Rejected("service account token: no known key has signed it")

    def public(self, identifier: str | None = None) -> tuple[PublicKey, ...]:
        """The believed keys, or of them the one of that name, where there is one."""
        self._loaded()
        named = tuple(key for key in self._public if key.identifier == identifier)
        return named or self._public

    def _files(self) -> tuple[Path, ...]:
        if self._signing is None:
            return self._believed
        return (self._signing, *(self._believed or (self._signing.with_suffix(".pub"),)))

    def _loaded(self) -> None:
        if self._public:
            self.generation(self._now())
        else:
            self.load()

    def _reload(self) -> None:
        try:
            self.load()
        except (OSError, ValueError) as error:
            log.warning("keys of service accounts' tokens cannot be used, the last good ones stay error=%s", error)
        else:
            self._generation += 1
            log.info("keys of service accounts' tokens taken up believed=%d", len(self._public))


def described(key: Any) -> PublicKey:
    """A public key with its name and algorithm. Raises ValueError for one that is neither RSA nor on NIST's curves."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    if isinstance(key, rsa.RSAPublicKey):
        algorithm = "RS256"
    elif isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in CURVES:
        algorithm = CURVES[key.curve.name]
    else:
        raise ValueError("it must be an RSA or an ECDSA key (P-256, P-384, P-521)")
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    digest = hashlib.sha256(key.public_bytes(serialization.Encoding.DER, form)).digest()
    return PublicKey(key, base64.urlsafe_b64encode(digest).rstrip(b"=").decode(), algorithm)


def read(file: Path) -> list[PublicKey]:
    """The public keys in a PEM file, of private keys and certificates also. Raises OSError and ValueError."""
    found = [_public(file, match[0]) for match in _BLOCK.finditer(file.read_bytes())]
    if not found:
        raise ValueError(f"{file}: no key in PEM form found")
    return found


def _public(file: Path, block: bytes) -> PublicKey:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    try:
        if b"CERTIFICATE" in block[:40]:
            return described(x509.load_pem_x509_certificate(block).public_key())
        if b"PRIVATE KEY" in block[:40]:
            return described(serialization.load_pem_private_key(block, password=None).public_key())
        return described(serialization.load_pem_public_key(block))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{file}: {error}") from None


def _private(file: Path) -> Any:
    from cryptography.hazmat.primitives import serialization

    try:
        return serialization.load_pem_private_key(file.read_bytes(), password=None)
    except (ValueError, TypeError):
        raise ValueError(f"{file}: it holds no private key in PEM form that can be read without a password") from None
