"""What authentication and authorization are told when a server starts, beyond the few things everybody sets."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sampan.apiserver.auth.configuration.flags import OidcFlags
from sampan.apiserver.auth.requestheader import RequestHeaderOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccountIssuing:
    """Tokens that are made: `issuer` and default `audiences`; `max_seconds` 0 is no bound; `extend` makes pods' own
    tokens last a year. `jwks_uri` "" is this server's own address.
    """

    issuer: str
    audiences: tuple[str, ...]
    max_seconds: int = 0
    extend: bool = True
    jwks_uri: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticationOptions:
    """`anonymous` None: for the health endpoints alone. `service_account_issuers` are further ones that are believed,
    `service_account_keys` what their signatures are checked with (empty: the signing key).
    """

    api_audiences: tuple[str, ...] = ()
    anonymous: bool | None = None
    config_file: Path | None = None
    oidc: OidcFlags = field(default_factory=OidcFlags)
    webhook_config: Path | None = None
    webhook_version: str = "v1beta1"
    webhook_cache_seconds: float = 120.0
    webhook_seconds: float = 30.0
    request_header: RequestHeaderOptions = field(default_factory=RequestHeaderOptions)
    service_account_keys: tuple[Path, ...] = ()
    service_account_issuers: tuple[str, ...] = ()
    service_account_jwks_uri: str = ""
    service_account_max_seconds: int = 0
    service_account_extend: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationOptions:
    """`config_file` takes the place of the modes and of the webhook's flags."""

    config_file: Path | None = None
    webhook_config: Path | None = None
    webhook_version: str = "v1beta1"
    webhook_authorized_seconds: float = 300.0
    webhook_unauthorized_seconds: float = 30.0
    webhook_seconds: float = 30.0
