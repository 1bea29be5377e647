"""OpenID Connect as a server is configured for it: by the flags, or by a file that may change while it runs.

Imported where something of it is configured; a server without does without.
"""

from __future__ import annotations

from collections.abc import Sequence

from sampan.aio.clock import Clock
from sampan.aio.tasks import TaskOwner
from sampan.apiserver import outgoing
from sampan.apiserver.auth import anonymous
from sampan.apiserver.auth.bearer import Audiences
from sampan.apiserver.auth.configuration import flags
from sampan.apiserver.auth.configuration.document import ConfigError, Mistakes
from sampan.apiserver.auth.configuration.reloading import Reloader
from sampan.apiserver.auth.oidc import checking
from sampan.apiserver.auth.oidc.issuers import Entry, Issuers
from sampan.apiserver.auth.options import AuthenticationOptions
from sampan.apiserver.auth.tally import Tally

ISSUER_SECONDS = 30.0


class OpenId:
    """`way` knows the issuers' tokens, `anonymous` is who may go without a credential, `reloader` None without a file.

    `own` are the server's own issuers, which no other may be called. Raises ConfigError.
    """

    def __init__(
        self, options: AuthenticationOptions, own: Sequence[str], implicit: Audiences, clock: Clock, tally: Tally
    ) -> None:
        self._options = options
        self._own = tuple(own)
        self.way = Issuers(clock, _opened, implicit, tally)
        self.reloader: Reloader | None = None
        by_flags = flags.entry(options.oidc)
        if options.config_file is None:
            self._take_flags([by_flags] if by_flags is not None else [])
            return
        if by_flags is not None:
            raise ConfigError("--authentication-config and the --oidc-* flags cannot be given together")
        self._load()
        self.reloader = Reloader("authentication", options.config_file, self._load, clock)

    def start(self, tasks: TaskOwner) -> None:
        """Ask the issuers for their keys, and look after the file."""
        self.way.start(tasks)
        if self.reloader is not None:
            tasks.start(self.reloader.run, name="authentication-config")

    def _take_flags(self, entries: Sequence[flags.Jwt]) -> None:
        mistakes = Mistakes()
        mappings = checking.compiled(entries, self._own, mistakes)
        mistakes.check("--oidc-issuer-url")
        algorithms = self._options.oidc.signing_algorithms
        self.way.take([Entry(jwt, made, algorithms) for jwt, made in zip(entries, mappings, strict=True) if made])
        self.anonymous = anonymous.policy(self._options.anonymous, None)

    def _load(self) -> None:
        """Take the file up. Raises ConfigError."""
        assert self._options.config_file is not None
        checked = checking.read(self._options.config_file, self._own, self._options.anonymous)
        self.way.take([Entry(jwt, made) for jwt, made in checked.entries])
        self.anonymous = anonymous.policy(self._options.anonymous, checked.anonymous)


def _opened(url: str, authority: str) -> outgoing.Caller:
    return outgoing.Caller(outgoing.trusting(authority.encode() or None), seconds=ISSUER_SECONDS)
