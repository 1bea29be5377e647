"""How others check this cluster's service-account tokens: the issuer's configuration and its public keys.

https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#service-account-issuer-discovery
(OpenID Connect Discovery 1.0, section 3; RFC 7517)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sampan.apiserver.auth.keys import PublicKey

CONFIGURATION = "/.well-known/openid-configuration"
KEYS = "/openid/v1/jwks"
KEYS_TYPE = b"application/jwk-set+json"
KEPT = (b"Cache-Control", b"public, max-age=3600")
"""For an hour, by anybody on the way: unlike all else that the server says."""


def configuration(issuer: str, keys_address: str, keys: Sequence[PublicKey]) -> dict[str, Any]:
    """`keys_address` is the URL at which the keys are found."""
    return {
        "issuer": issuer,
        "jwks_uri": keys_address,
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": sorted({key.algorithm for key in keys}),
    }


def key_set(keys: Sequence[PublicKey]) -> dict[str, Any]:
    """Public keys as a JSON Web Key Set."""
    return {"keys": [described(key) for key in keys]}


def described(public: PublicKey) -> dict[str, Any]:
    """One key."""
    from jwt.algorithms import ECAlgorithm, RSAAlgorithm

    kind: Any = RSAAlgorithm if public.algorithm.startswith("RS") else ECAlgorithm
    key = {name: value for name, value in kind.to_jwk(public.key, as_dict=True).items() if name != "key_ops"}
    return {"use": "sig", "kid": public.identifier, "alg": public.algorithm, **key}
