"""Bootstrap tokens as secrets, and the signatures by which whoever has a token knows its cluster. Pure.

A token is `<id>.<secret>`. The id is public; the secret proves who may join, and signs what a joining machine is told:
the ConfigMap `kube-public/cluster-info` holds a kubeconfig without credentials and, for each token, a JWS over it (RFC
7515, HS256, its payload left out). https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sampan.aio.clock import parse_timestamp

FORM = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
TYPE = "bootstrap.kubernetes.io/token"
NAMESPACE, NAME_PREFIX = "kube-system", "bootstrap-token-"
INFO_NAMESPACE, INFO_NAME = "kube-public", "cluster-info"
KUBECONFIG = "kubeconfig"
SIGNATURE_PREFIX = "jws-kubeconfig-"
JOINING_GROUP = "system:bootstrappers:sampan:default-node-token"
ALPHABET = string.ascii_lowercase + string.digits


@dataclass(frozen=True)
class Token:
    """Never shown by `repr`: it would get into logs."""

    id: str
    secret: str

    def __repr__(self) -> str:
        return f"Token({self.id})"

    def __str__(self) -> str:
        return f"{self.id}.{self.secret}"


def parse(text: str) -> Token:
    """Raises ValueError, without the text in it."""
    found = FORM.fullmatch(text.strip())
    if found is None:
        raise ValueError("a token has the form abcdef.0123456789abcdef: 6 and 16 small letters or digits")
    return Token(found[1], found[2])


def generate(rng: random.Random) -> Token:
    """`rng` must be a source fit for secrets, such as `random.SystemRandom`."""
    characters = "".join(rng.choice(ALPHABET) for _ in range(22))
    return Token(characters[:6], characters[6:])


def fields(secret: Any) -> dict[str, str]:
    """The secret's data, decoded; what is not text is left out."""
    found = {}
    for name, value in (secret.data or {}).items():
        try:
            found[name] = base64.b64decode(value, validate=True).decode()
        except ValueError:
            continue
    return found


def expiration(values: Mapping[str, str]) -> float | None:
    """When a token ends, seconds since the epoch; None: never. Raises ValueError for a time that cannot be read."""
    text = values.get("expiration", "")
    return parse_timestamp(text) if text else None


def signing_token(secret: Any, now: float) -> Token | None:
    """The token of a secret that may sign cluster-info; None for any other, and for one that has ended."""
    values = fields(secret)
    identifier, private = values.get("token-id", ""), values.get("token-secret", "")
    try:
        end = expiration(values)
    except ValueError:
        return None
    good = (
        secret.type == TYPE
        and secret.metadata.name == NAME_PREFIX + identifier
        and secret.metadata.deletionTimestamp is None
        and values.get("usage-bootstrap-signing") == "true"
        and FORM.fullmatch(f"{identifier}.{private}") is not None
        and (end is None or end > now)
    )
    return Token(identifier, private) if good else None


def signature(content: str, token: Token) -> str:
    """A detached JWS over `content`: header and signature, nothing between the two dots."""
    header = _encoded(json.dumps({"alg": "HS256", "kid": token.id}, separators=(",", ":")).encode())
    digest = hmac.new(token.secret.encode(), f"{header}.{_encoded(content.encode())}".encode(), hashlib.sha256)
    return f"{header}..{_encoded(digest.digest())}"


def verified(content: str, shown: str, token: Token) -> bool:
    """Whether a detached JWS over `content` was made with the token."""
    header, _, rest = shown.partition(".")
    payload, _, mac = rest.partition(".")
    try:
        stated = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))
    except ValueError:
        return False
    if payload or not isinstance(stated, dict) or (stated.get("alg"), stated.get("kid")) != ("HS256", token.id):
        return False
    signed = f"{header}.{_encoded(content.encode())}".encode()
    digest = hmac.new(token.secret.encode(), signed, hashlib.sha256).digest()
    return hmac.compare_digest(_encoded(digest).encode(), mac.encode())


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
