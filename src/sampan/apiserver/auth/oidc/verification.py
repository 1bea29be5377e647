"""Whether a JWT is what one of an issuer's keys signed, for one of our audiences, and good now. Pure.

The algorithm comes from a list of ours and must fit the key: `none` and the HMACs are in no list, so that nobody can
sign with a public key taken for a secret. OpenID Connect Core 1.0, section 3.1.3.7; RFC 8725.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sampan.apiserver.auth.authenticator import Rejected

ALGORITHMS = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512")
NOT_BEFORE_LEEWAY_SECONDS = 300.0
KEY_TYPES = {"RS": "RSA", "PS": "RSA", "ES": "EC"}


class Head(NamedTuple):
    """What a token says about its signature."""

    algorithm: str
    key: str


def head(token: str, algorithms: Sequence[str]) -> Head:
    """Raises Rejected for a token that cannot be read or is signed in a way we do not take."""
    import jwt

    try:
        said = jwt.get_unverified_header(token)
    except jwt.PyJWTError:
        raise Rejected("oidc: malformed jwt") from None
    if said.get("alg") not in algorithms:
        raise Rejected("oidc: the token is signed with an algorithm that is not allowed")
    named = said.get("kid")
    return Head(said["alg"], named if isinstance(named, str) else "")


def signed(token: str, said: Head, keys: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The claims, when one of the issuer's keys (JWKs) has signed them; None otherwise."""
    import jwt

    for key in keys:
        if not _fits(key, said):
            continue
        try:
            public = jwt.PyJWK(dict(key), said.algorithm).key
            return jwt.decode(token, public, algorithms=[said.algorithm], options=_SIGNATURE_ONLY)
        except (jwt.PyJWTError, ValueError, TypeError):
            continue
    return None


_SIGNATURE_ONLY: Any = {f"verify_{name}": False for name in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")}


def _fits(key: Mapping[str, Any], said: Head) -> bool:
    return (
        key.get("kty") == KEY_TYPES.get(said.algorithm[:2])
        and key.get("use", "sig") == "sig"
        and key.get("alg", said.algorithm) == said.algorithm
        and (not said.key or key.get("kid") == said.key)
    )


def check(claims: Mapping[str, Any], audiences: Sequence[str], now: float) -> None:
    """Time and audience. Raises Rejected."""
    expires, begins = claims.get("exp"), claims.get("nbf")
    if expires is None or not _is_number(expires) or expires < now:
        raise Rejected("oidc: verify token: token is expired")
    if begins is not None and (not _is_number(begins) or begins > now + NOT_BEFORE_LEEWAY_SECONDS):
        raise Rejected("oidc: verify token: current time is before the nbf (not before) time")
    said = claims.get("aud")
    said = [said] if isinstance(said, str) else said
    if not isinstance(said, list) or not set(audiences).intersection(one for one in said if isinstance(one, str)):
        raise Rejected("oidc: verify token: the token is for another audience")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
