"""What authentication and authorization are told when a server starts, beyond the few things everybody sets."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

WEBHOOK = "Webhook"
MODES = ("AlwaysAllow", "AlwaysDeny", "Node", "RBAC", WEBHOOK)
"""The types of authorizers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcFlags:
    """`username_prefix` "" means upstream's rule: the issuer's URL and `#`, but nothing for e-mail addresses."""

    issuer_url: str = ""
    client_id: str = ""
    ca_file: Path | None = None
    username_claim: str = "sub"
    username_prefix: str = ""
    groups_claim: str = ""
    groups_prefix: str = ""
    required_claims: tuple[str, ...] = ()
    signing_algorithms: tuple[str, ...] = ("RS256",)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestHeaderOptions:
    """`names` empty: every certificate of the authority. Header names as they were given."""

    authority: Path | None = None
    names: tuple[str, ...] = ()
    username_headers: tuple[str, ...] = ("X-Remote-User",)
    uid_headers: tuple[str, ...] = ()
    group_headers: tuple[str, ...] = ("X-Remote-Group",)
    extra_prefixes: tuple[str, ...] = ("X-Remote-Extra-",)


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

    @property
    def openid(self) -> bool:
        """Whether issuers are named, or a file that may name some."""
        return self.config_file is not None or bool(self.oidc.issuer_url or self.oidc.client_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationOptions:
    """`config_file` takes the place of the modes and of the webhook's flags."""

    config_file: Path | None = None
    webhook_config: Path | None = None
    webhook_version: str = "v1beta1"
    webhook_authorized_seconds: float = 300.0
    webhook_unauthorized_seconds: float = 30.0
    webhook_seconds: float = 30.0
