"""How others check this cluster's service-account tokens: the issuer's configuration and its public keys.

https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#service-account-issuer-discovery
(OpenID Connect Discovery 1.0, section 3; RFC 7517)
"""

from __future__ import annotations

from typing import Any

CONFIGURATION = "/.well-known/openid-configuration"
KEYS = "/openid/v1/jwks"
KEYS_TYPE = b"application/jwk-set+json"


def configuration(issuer: str, address: str, algorithm: str) -> dict[str, Any]:
    """`address` is where the keys are found, as host:port."""
    return {
        "issuer": issuer,
        "jwks_uri": f"https://{address}{KEYS}",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [algorithm],
    }


def key_set(public: Any, identifier: str, algorithm: str) -> dict[str, Any]:
    """A public key as a JSON Web Key Set."""
    from jwt.algorithms import ECAlgorithm, RSAAlgorithm

    kind: Any = RSAAlgorithm if algorithm.startswith("RS") else ECAlgorithm
    key = {name: value for name, value in kind.to_jwk(public, as_dict=True).items() if name != "key_ops"}
    return {"keys": [{"use": "sig", "kid": identifier, "alg": algorithm, **key}]}
