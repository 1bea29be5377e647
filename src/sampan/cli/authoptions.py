"""Options that say who is believed and what they may; their names and defaults are kube-apiserver's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypedDict

import click

from sampan.apiserver.auth.options import (
    AuthenticationOptions,
    AuthorizationOptions,
    OidcFlags,
    RequestHeaderOptions,
)
from sampan.cli.settings import as_seconds
from sampan.cluster.errors import ClusterError

EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)
DEFAULT_ISSUER = "https://kubernetes.default.svc.cluster.local"
DEFAULT_MODES = "Node,RBAC"
LEAST_MAXIMUM_SECONDS, MOST_MAXIMUM_SECONDS = 3600, 1 << 32


def words(context: click.Context, parameter: click.Parameter, value: str) -> tuple[str, ...]:
    """A list with commas."""
    return tuple(word.strip() for word in value.split(",") if word.strip())


def _option(name: str, help_: str, **settings: Any) -> Callable[..., Any]:
    return click.option(name, help=help_, **settings)


def _file(name: str, help_: str) -> Callable[..., Any]:
    return _option(name, help_, type=EXISTING)


def _words(name: str, help_: str, default: str = "") -> Callable[..., Any]:
    return _option(name, help_, default=default, callback=words, show_default=bool(default))


def _seconds(name: str, help_: str, default: str) -> Callable[..., Any]:
    return _option(name, help_, default=default, callback=as_seconds, show_default=True)


def _version(name: str, help_: str) -> Callable[..., Any]:
    return _option(name, help_, default="v1beta1", type=click.Choice(["v1", "v1beta1"]), show_default=True)


OPTIONS = (
    _words("--api-audiences", "Whom tokens for this server are for.  [default: the issuer of accounts' tokens]"),
    _option(
        "--anonymous-auth",
        "Whether requests without a credential are let in as system:anonymous.  [default: for health endpoints alone]",
        type=bool,
        default=None,
    ),
    _file("--authentication-config", "AuthenticationConfiguration: issuers of tokens, anonymous requests."),
    _option("--oidc-issuer-url", "An issuer of OpenID Connect tokens; https.", default=""),
    _option("--oidc-client-id", "Whom its tokens must be for.", default=""),
    _file("--oidc-ca-file", "Authority of the issuer's certificate.  [default: the machine's]"),
    _option("--oidc-username-claim", "The claim that is the user's name.", default="sub", show_default=True),
    _option("--oidc-username-prefix", "Put before it; - for nothing.  [default: the issuer's URL and #]", default=""),
    _option("--oidc-groups-claim", "The claim that is the user's groups.", default=""),
    _option("--oidc-groups-prefix", "Put before each group.", default=""),
    _option("--oidc-required-claim", "claim=value that a token must have; may be repeated.", multiple=True),
    _words("--oidc-signing-algs", "Algorithms of signatures that are taken, with commas.", "RS256"),
    _file("--authentication-token-webhook-config-file", "kubeconfig of a webhook that knows bearer tokens."),
    _version("--authentication-token-webhook-version", "Version of the TokenReview it is sent."),
    _seconds("--authentication-token-webhook-cache-ttl", "How long its answers are believed.", "2m"),
    _file("--requestheader-client-ca-file", "Authority of proxies that say in headers who asks."),
    _words("--requestheader-allowed-names", "Common names of their certificates.  [default: any]"),
    _words("--requestheader-username-headers", "Headers with the user's name.", "X-Remote-User"),
    _words("--requestheader-uid-headers", "Headers with the user's uid."),
    _words("--requestheader-group-headers", "Headers with the user's groups.", "X-Remote-Group"),
    _words("--requestheader-extra-headers-prefix", "What headers with extra values begin with.", "X-Remote-Extra-"),
    _option(
        "--service-account-issuer",
        "Issuer of accounts' tokens; further ones are believed, too.",
        multiple=True,
        default=(DEFAULT_ISSUER,),
        show_default=True,
    ),
    _option(
        "--service-account-key-file",
        "Key that accounts' tokens are checked with; may be repeated.  [default: the signing key]",
        type=EXISTING,
        multiple=True,
    ),
    _option("--service-account-jwks-uri", "Where those keys are told to be found.  [default: this server]", default=""),
    _seconds("--service-account-max-token-expiration", "The longest that a token may be asked for; 0: any.", "0s"),
    _option(
        "--service-account-extend-token-expiration",
        "Whether pods' own tokens are good for a year, and only counted as stale after an hour.",
        type=bool,
        default=True,
        show_default=True,
    ),
    _option("--authorization-mode", f"{DEFAULT_MODES}, Webhook, AlwaysAllow, AlwaysDeny.  [default: {DEFAULT_MODES}]"),
    _file("--authorization-config", "AuthorizationConfiguration: the authorizers in order."),
    _file("--authorization-webhook-config-file", "kubeconfig of the mode Webhook."),
    _version("--authorization-webhook-version", "Version of the SubjectAccessReview it is sent."),
    _seconds("--authorization-webhook-cache-authorized-ttl", "How long its yes is believed.", "5m"),
    _seconds("--authorization-webhook-cache-unauthorized-ttl", "How long its no is believed.", "30s"),
)


def auth_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options; `settings` takes them."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


class Settings(TypedDict):
    """The fields of a `Config` that the options are about."""

    service_account_issuer: str
    authorization_modes: tuple[str, ...]
    authentication: AuthenticationOptions
    authorization: AuthorizationOptions


def settings(given: dict[str, Any]) -> Settings:
    """Takes these options out of all that were given. Raises ClusterError for some that do not go together."""
    issuers = given.pop("service_account_issuer")
    maximum = int(given.pop("service_account_max_token_expiration"))
    if maximum and not LEAST_MAXIMUM_SECONDS <= maximum <= MOST_MAXIMUM_SECONDS:
        raise ClusterError("--service-account-max-token-expiration: want 1h or more, and no more than 2^32 seconds")
    file, modes = given.pop("authorization_config"), given.pop("authorization_mode")
    if file is not None and modes is not None:
        raise ClusterError("--authorization-config and --authorization-mode cannot be given together")
    named = "" if file is not None else modes or DEFAULT_MODES
    return Settings(
        service_account_issuer=issuers[0],
        authorization_modes=tuple(mode.strip() for mode in named.split(",") if mode.strip()),
        authentication=_authentication(given, issuers[1:], maximum),
        authorization=AuthorizationOptions(
            config_file=file,
            webhook_config=given.pop("authorization_webhook_config_file"),
            webhook_version=given.pop("authorization_webhook_version"),
            webhook_authorized_seconds=given.pop("authorization_webhook_cache_authorized_ttl"),
            webhook_unauthorized_seconds=given.pop("authorization_webhook_cache_unauthorized_ttl"),
        ),
    )


def _authentication(given: dict[str, Any], issuers: tuple[str, ...], maximum: int) -> AuthenticationOptions:
    return AuthenticationOptions(
        api_audiences=given.pop("api_audiences"),
        anonymous=given.pop("anonymous_auth"),
        config_file=given.pop("authentication_config"),
        oidc=OidcFlags(
            issuer_url=given.pop("oidc_issuer_url"),
            client_id=given.pop("oidc_client_id"),
            ca_file=given.pop("oidc_ca_file"),
            username_claim=given.pop("oidc_username_claim"),
            username_prefix=given.pop("oidc_username_prefix"),
            groups_claim=given.pop("oidc_groups_claim"),
            groups_prefix=given.pop("oidc_groups_prefix"),
            required_claims=given.pop("oidc_required_claim"),
            signing_algorithms=given.pop("oidc_signing_algs"),
        ),
        webhook_config=given.pop("authentication_token_webhook_config_file"),
        webhook_version=given.pop("authentication_token_webhook_version"),
        webhook_cache_seconds=given.pop("authentication_token_webhook_cache_ttl"),
        request_header=RequestHeaderOptions(
            authority=given.pop("requestheader_client_ca_file"),
            names=given.pop("requestheader_allowed_names"),
            username_headers=given.pop("requestheader_username_headers"),
            uid_headers=given.pop("requestheader_uid_headers"),
            group_headers=given.pop("requestheader_group_headers"),
            extra_prefixes=given.pop("requestheader_extra_headers_prefix"),
        ),
        service_account_keys=given.pop("service_account_key_file"),
        service_account_issuers=issuers,
        service_account_jwks_uri=given.pop("service_account_jwks_uri"),
        service_account_max_seconds=maximum,
        service_account_extend=given.pop("service_account_extend_token_expiration"),
    )
