"""The authorizers of a server in order, as `--authorization-mode` or `--authorization-config` name them.

What they know follows the watch cache. The file may change while the server runs: webhooks come, go and change, the
order changes; Node and RBAC stay as they are, as upstream.
https://kubernetes.io/docs/reference/access-authn-authz/authorization/
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sampan.aio.clock import Clock
from sampan.aio.tasks import TaskOwner
from sampan.api.kinds import authorization_v1
from sampan.apiserver.auth import authorizer
from sampan.apiserver.auth.authorizer import Named
from sampan.apiserver.auth.node.authorizer import NodeAuthorizer, node_name
from sampan.apiserver.auth.node.graph import Graph
from sampan.apiserver.auth.options import MODES, WEBHOOK, AuthorizationOptions
from sampan.apiserver.auth.rbac.authorizer import RbacAuthorizer
from sampan.apiserver.auth.rbac.index import Index
from sampan.apiserver.auth.rbac.rule import PolicyRule
from sampan.apiserver.auth.tally import Tally
from sampan.apiserver.auth.user import User
from sampan.apiserver.following import Source

if TYPE_CHECKING:
    from sampan.apiserver.auth.configuration.authorization import Checked, WebhookUse
    from sampan.apiserver.auth.configuration.reloading import Reloader
    from sampan.apiserver.auth.webhook.authorizer import WebhookAuthorizer

FIXED = ("Node", "RBAC")
NODE_RULES = "node authorizer does not support user rule resolution"
WEBHOOK_RULES = "webhook authorizer does not support user rule resolution"
LAST_ANSWERS_SECONDS = 30.0
"""How long a webhook that was taken out may still answer what it was asked."""


class Authorization:
    """`rbac` is None where that mode is off. Raises ValueError for an unknown mode or a file that will not do."""

    def __init__(
        self,
        modes: Sequence[str],
        clock: Clock,
        rng: random.Random,
        options: AuthorizationOptions | None = None,
    ) -> None:
        self._options = options or AuthorizationOptions()
        self._clock = clock
        self._rng = rng
        self._tasks: TaskOwner | None = None
        self._index = Index()
        self._graph = Graph()
        self._webhooks: list[WebhookAuthorizer] = []
        self.reloader: Reloader | None = None
        file = self._options.config_file
        chosen = self._by_file(file) if file is not None else self._by_flags(modes)
        self._modes = tuple(kind for kind, _ in chosen)
        self.rbac = RbacAuthorizer(self._index) if "RBAC" in self._modes else None
        self.tally = Tally()
        self.authorizer = authorizer.Union([], self.tally)
        self._take(chosen)

    def follow(self, source: Source) -> None:
        """Fill what the authorizers know from the started watch cache, and keep it up to date."""
        self._tasks = source.tasks
        if "RBAC" in self._modes:
            self._index.follow(source)
        if "Node" in self._modes:
            self._graph.follow(source)
        if self.reloader is not None:
            source.tasks.start(self.reloader.run, name="authorization-config")

    async def close(self) -> None:
        for webhook in self._webhooks:
            await webhook.close()

    # what is configured

    def _by_file(self, file: Path) -> Checked:
        from sampan.apiserver.auth.configuration import authorization as configuration
        from sampan.apiserver.auth.configuration.reloading import Reloader

        self.reloader = Reloader("authorization", file, self._load, self._clock)
        return configuration.read(file)

    def _by_flags(self, modes: Sequence[str]) -> Checked:
        for mode in modes:
            if mode not in MODES:
                raise ValueError(f'"{mode}" is not a valid authorization mode: known are {", ".join(MODES)}')
            if modes.count(mode) > 1:
                raise ValueError(f'--authorization-mode: "{mode}" is named twice')
        options = self._options
        if (WEBHOOK in modes) != (options.webhook_config is not None):
            raise ValueError("--authorization-mode Webhook and --authorization-webhook-config-file go together")
        return tuple((mode, self._flagged() if mode == WEBHOOK else None) for mode in modes)

    def _flagged(self) -> WebhookUse:
        from sampan.apiserver.auth.configuration import authorization as configuration
        from sampan.apiserver.auth.webhook.authorizer import Settings

        options = self._options
        if options.webhook_version not in configuration.REVIEW_VERSIONS:
            raise ValueError(f"--authorization-webhook-version {options.webhook_version}: want v1 or v1beta1")
        settings = Settings(
            name="default",
            version=options.webhook_version,
            authorized_seconds=options.webhook_authorized_seconds,
            unauthorized_seconds=options.webhook_unauthorized_seconds,
        )
        return configuration.WebhookUse(settings, options.webhook_config or Path(), options.webhook_seconds)

    def _load(self) -> None:
        from sampan.apiserver.auth.configuration import authorization as configuration

        assert self._options.config_file is not None
        chosen = configuration.read(self._options.config_file)
        kinds = {kind for kind, _ in chosen}
        for kind in FIXED:
            if (kind in kinds) != (kind in self._modes):
                raise ValueError(f"authorizers: {kind} cannot be added or removed while the server runs: restart it")
        self._take(chosen)

    def _take(self, chosen: Checked) -> None:
        before = self._webhooks
        made = [Named(authorizer.PrivilegedGroup()), Named(authorizer.Health())]
        webhooks = []
        for kind, use in chosen:
            if use is not None:
                webhooks.append(self._webhook(use))
                made.append(Named(webhooks[-1], kind, use.settings.name))
            else:
                made.append(Named(self._way(kind), kind, kind.lower()))
        self._modes, self._webhooks = tuple(kind for kind, _ in chosen), webhooks
        self.authorizer.replace(made)
        if before and self._tasks is not None:
            self._tasks.start(lambda: self._end(before), name="authorization-webhooks", policy="log")

    def _way(self, mode: str) -> authorizer.Authorizer:
        if mode == "Node":
            return NodeAuthorizer(self._graph)
        if mode == "RBAC" and self.rbac is not None:
            return self.rbac
        return authorizer.Always(authorizer.Decision.ALLOW if mode == "AlwaysAllow" else authorizer.Decision.NO_OPINION)

    def _webhook(self, use: WebhookUse) -> WebhookAuthorizer:
        from sampan.apiserver import outgoing
        from sampan.apiserver.auth.webhook.authorizer import WebhookAuthorizer
        from sampan.apiserver.auth.webhook.review import Webhook
        from sampan.codec import kubeconfig

        read = kubeconfig.load(use.kubeconfig)
        poster = outgoing.caller(read, seconds=use.seconds)
        webhook = Webhook(poster, read.server, clock=self._clock, rng=self._rng, seconds=use.seconds)
        return WebhookAuthorizer(webhook, use.settings, self._clock.monotonic, self.tally)

    async def _end(self, webhooks: Sequence[WebhookAuthorizer]) -> None:
        await self._clock.sleep(LAST_ANSWERS_SECONDS)
        for webhook in webhooks:
            await webhook.close()

    # what a user may do

    def rules(self, user: User, namespace: str) -> tuple[list[Any], list[Any], str]:
        """A user's permissions as resource rules and path rules, and why that is not all of them ("": it is)."""
        sources: list[PolicyRule] = []
        if "AlwaysAllow" in self._modes:
            sources = [PolicyRule(("*",), ("*",), ("*",)), PolicyRule(("*",), paths=("*",))]
        if self.rbac is not None:
            sources += [rule.source for rule in self.rbac.rules(user, namespace)]
        resources = [
            authorization_v1.ResourceRule(
                verbs=list(rule.verbs or ()),
                apiGroups=list(rule.apiGroups or ()) or None,
                resources=list(rule.resources or ()) or None,
                resourceNames=list(rule.names or ()) or None,
            )
            for rule in sources
            if rule.resources
        ]
        paths = [
            authorization_v1.NonResourceRule(verbs=list(rule.verbs or ()), nonResourceURLs=list(rule.paths))
            for rule in sources
            if rule.paths
        ]
        return resources, paths, self._unlisted(user)

    def _unlisted(self, user: User) -> str:
        """Which authorizers cannot list what they allow."""
        reasons = [NODE_RULES] if "Node" in self._modes and node_name(user) is not None else []
        reasons += [WEBHOOK_RULES] * self._modes.count(WEBHOOK)
        return reasons[0] if len(reasons) == 1 else f"[{', '.join(reasons)}]" if reasons else ""
