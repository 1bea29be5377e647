"""Defaults of the authentication.k8s.io and certificates.k8s.io groups. Source: API reference v1.36."""

from __future__ import annotations

from typing import Any

CONSTANTS: dict[str, dict[str, Any]] = {
    "authentication_v1.TokenRequestSpec": {"expirationSeconds": 3600},
    "certificates_v1beta1.PodCertificateRequestSpec": {"maxExpirationSeconds": 86400},
}

HOOKS: dict[str, Any] = {}
