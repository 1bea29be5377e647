"""AuthenticationConfiguration: its fields, as upstream names them.

What the fields mean: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#using-authentication-configuration
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from sampan.apiserver.auth.configuration import document

KIND = "AuthenticationConfiguration"
VERSIONS = ("v1", "v1beta1", "v1alpha1")


class Issuer(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    url: str = ""
    discoveryURL: str = ""
    certificateAuthority: str = ""
    audiences: tuple[str, ...] = ()
    audienceMatchPolicy: str = ""
    egressSelectorType: str = ""


class ClaimValidationRule(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    claim: str = ""
    requiredValue: str = ""
    expression: str = ""
    message: str = ""


class PrefixedClaim(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    claim: str = ""
    prefix: str | None = None
    expression: str = ""


class Claim(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    claim: str = ""
    expression: str = ""


class Extra(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    key: str = ""
    valueExpression: str = ""


class ClaimMappings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    username: PrefixedClaim = PrefixedClaim()
    groups: PrefixedClaim = PrefixedClaim()
    uid: Claim = Claim()
    extra: tuple[Extra, ...] = ()


class UserValidationRule(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    expression: str = ""
    message: str = ""


class Jwt(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    issuer: Issuer = Issuer()
    claimValidationRules: tuple[ClaimValidationRule, ...] = ()
    claimMappings: ClaimMappings = ClaimMappings()
    userValidationRules: tuple[UserValidationRule, ...] = ()


class Condition(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    path: str = ""


class Anonymous(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    enabled: bool = False
    conditions: tuple[Condition, ...] = ()


class AuthenticationConfiguration(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    apiVersion: str = ""
    kind: str = ""
    jwt: tuple[Jwt, ...] = ()
    anonymous: Anonymous | None = None
    metadata: Any = None


def read(path: Path) -> AuthenticationConfiguration:
    """A file's configuration, well formed but not yet checked. Raises ConfigError."""
    return document.parse(document.load(path), str(path), KIND, VERSIONS, AuthenticationConfiguration)
