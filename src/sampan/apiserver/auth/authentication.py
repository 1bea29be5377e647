"""The ways of telling who asks, as a server is configured: made at start, and some made anew while it runs.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from sampan.aio.clock import Clock
from sampan.aio.tasks import TaskOwner
from sampan.apiserver.auth.anonymous import AnonymousPolicy, policy
from sampan.apiserver.auth.authenticator import Answer, Authenticator, Chain
from sampan.apiserver.auth.bearer import Audiences, BearerAuthenticator, Tokens, TokenWay
from sampan.apiserver.auth.bootstraptoken import BootstrapTokens
from sampan.apiserver.auth.certificate import CertificateAuthenticator
from sampan.apiserver.auth.keys import Keys
from sampan.apiserver.auth.legacytoken import LegacyTokens
from sampan.apiserver.auth.options import ServiceAccountIssuing
from sampan.apiserver.auth.requestheader import RequestHeaderAuthenticator
from sampan.apiserver.auth.serviceaccount import BoundTokens, Find
from sampan.apiserver.auth.tally import Tally
from sampan.apiserver.auth.token import StaticTokens, read_tokens
from sampan.apiserver.config import Config
from sampan.apiserver.http.exchange import Exchange

if TYPE_CHECKING:
    from sampan.apiserver.auth.configuration.reloading import Reloader
    from sampan.apiserver.auth.oidc.configured import OpenId
    from sampan.apiserver.auth.webhook.token import WebhookTokens


class Authentication:
    """`find` looks core objects up in the watch cache. Raises ValueError and OSError for a configuration that will not
    do, naming the flag, or the file and the field.
    """

    def __init__(self, config: Config, clock: Clock, rng: random.Random, find: Find) -> None:
        self.tally = Tally()
        self._options = options = config.authentication
        self._clock = clock
        self._rng = rng
        issuer = config.service_account_issuer
        self._own_issuers = (issuer, *options.service_account_issuers)
        audiences = options.api_audiences or (issuer,)
        self.service_accounts = ServiceAccountIssuing(
            issuer=issuer,
            audiences=audiences,
            max_seconds=options.service_account_max_seconds,
            extend=options.service_account_extend,
            jwks_uri=options.service_account_jwks_uri,
        )
        self.keys = _keys(config, clock.now)
        self._anonymous = policy(options.anonymous, None)
        self._openid = self._configured(audiences)
        self._webhook: WebhookTokens | None = None
        self.bound: BoundTokens | None = None
        self.tokens = Tokens(self._ways(config, find, audiences), audiences)
        self._chain = Chain(self._authenticators(config))

    def authenticate(self, exchange: Exchange) -> Answer:
        """Who asks; None without a credential. Raises Rejected."""
        return self._chain.authenticate(exchange)

    def start(self, tasks: TaskOwner) -> None:
        """Begin what runs beside requests."""
        if self._openid is not None:
            self._openid.start(tasks)

    async def close(self) -> None:
        if self._openid is not None:
            await self._openid.way.close()
        if self._webhook is not None:
            await self._webhook.close()

    def statistics(self) -> dict[str, object]:
        issuers = self._openid.way.statistics() if self._openid is not None else {}
        return {"issuers": issuers, "stale_tokens": self.bound.stale if self.bound else 0}

    # what is configured

    @property
    def anonymous(self) -> AnonymousPolicy:
        """Who may go without a credential."""
        return self._openid.anonymous if self._openid is not None else self._anonymous

    @property
    def reloader(self) -> Reloader | None:
        """Who looks after the configuration file, if there is one."""
        return self._openid.reloader if self._openid is not None else None

    def _configured(self, audiences: Audiences) -> OpenId | None:
        """Issuers of OpenID Connect; None when neither they nor a file are named."""
        if not self._options.openid:
            return None
        from sampan.apiserver.auth.oidc.configured import OpenId

        return OpenId(self._options, self._own_issuers, audiences, self._clock, self.tally)

    def _ways(self, config: Config, find: Find, implicit: Audiences) -> list[TokenWay]:
        """In upstream's order."""
        ways: list[TokenWay] = []
        if config.token_file is not None:
            ways.append(StaticTokens(read_tokens(config.token_file), implicit))
        if self.keys is not None:
            now = self._clock.now
            self.bound = BoundTokens(self.keys, issuers=self._own_issuers, implicit=implicit, find=find, now=now)
            ways += [self.bound, LegacyTokens(self.keys, find, implicit, now)]
        ways.append(BootstrapTokens(find, self._clock.now, implicit))
        if self._openid is not None:
            ways.append(self._openid.way)
        if self._options.webhook_config is not None:
            self._webhook = self._made_webhook(implicit)
            ways.append(self._webhook)
        return ways

    def _made_webhook(self, implicit: Audiences) -> WebhookTokens:
        from sampan.apiserver import outgoing
        from sampan.apiserver.auth.webhook.review import Webhook
        from sampan.apiserver.auth.webhook.token import VERSIONS, WebhookTokens
        from sampan.codec import kubeconfig

        options = self._options
        assert options.webhook_config is not None
        if options.webhook_version not in VERSIONS:
            raise ValueError(f"--authentication-token-webhook-version {options.webhook_version}: want v1 or v1beta1")
        read = kubeconfig.load(options.webhook_config)
        webhook = Webhook(
            outgoing.caller(read, seconds=options.webhook_seconds),
            read.server,
            clock=self._clock,
            rng=self._rng,
            seconds=options.webhook_seconds,
        )
        return WebhookTokens(
            webhook,
            version=options.webhook_version,
            keep_seconds=options.webhook_cache_seconds,
            implicit=implicit,
            now=self._clock.monotonic,
        )

    def _authenticators(self, config: Config) -> list[Authenticator]:
        proxies = self._options.request_header
        users = CertificateAuthenticator(config.client_authority, self._clock.now, alone=proxies.authority is None)
        ways: list[Authenticator] = [users, BearerAuthenticator(self.tokens)]
        if proxies.authority is not None:
            ways.insert(0, RequestHeaderAuthenticator(proxies, proxies.authority))
        return ways


def _keys(config: Config, now: Callable[[], float]) -> Keys | None:
    """None when tokens are neither made nor believed."""
    believed = config.authentication.service_account_keys
    if config.service_account_key is None and not believed:
        return None
    keys = Keys(config.service_account_key, believed, now=now)
    if believed:
        keys.load()
    return keys
