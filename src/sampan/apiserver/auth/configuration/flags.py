"""The older flags, `--oidc-*`, as the one `jwt` entry they stand for."""

from __future__ import annotations

from sampan.apiserver.auth.configuration.authentication import (
    ClaimMappings,
    ClaimValidationRule,
    Issuer,
    Jwt,
    PrefixedClaim,
)
from sampan.apiserver.auth.configuration.document import ConfigError, load
from sampan.apiserver.auth.oidc.verification import ALGORITHMS
from sampan.apiserver.auth.options import OidcFlags

NO_PREFIX = "-"


def entry(flags: OidcFlags) -> Jwt | None:
    """None when no issuer is named. Raises ConfigError."""
    if not flags.issuer_url and not flags.client_id:
        return None
    if not flags.issuer_url or not flags.client_id:
        raise ConfigError("--oidc-issuer-url and --oidc-client-id go together: name both, or neither")
    for algorithm in flags.signing_algorithms:
        if algorithm not in ALGORITHMS:
            raise ConfigError(f"--oidc-signing-algs {algorithm}: known are {', '.join(ALGORITHMS)}")
    groups = PrefixedClaim(flags.groups_claim, flags.groups_prefix) if flags.groups_claim else PrefixedClaim()
    return Jwt(
        issuer=Issuer(url=flags.issuer_url, audiences=(flags.client_id,), certificateAuthority=_authority(flags)),
        claimValidationRules=tuple(map(_rule, flags.required_claims)),
        claimMappings=ClaimMappings(username=PrefixedClaim(flags.username_claim, _prefix(flags)), groups=groups),
    )


def _authority(flags: OidcFlags) -> str:
    return load(flags.ca_file).decode("latin-1") if flags.ca_file is not None else ""


def _prefix(flags: OidcFlags) -> str:
    if flags.username_prefix == NO_PREFIX:
        return ""
    if flags.username_prefix or flags.username_claim == "email":
        return flags.username_prefix
    return f"{flags.issuer_url}#"


def _rule(text: str) -> ClaimValidationRule:
    claim, equals, value = text.partition("=")
    if not claim or not equals:
        raise ConfigError(f"--oidc-required-claim {text}: write it as claim=value")
    return ClaimValidationRule(claim=claim, requiredValue=value)
