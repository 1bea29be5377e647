"""All OpenID issuers of a server, as one way of knowing tokens: which of them, a token says itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

from sampan.aio.clock import Clock
from sampan.aio.tasks import TaskOwner
from sampan.apiserver.auth import ownname
from sampan.apiserver.auth.authenticator import Rejected
from sampan.apiserver.auth.bearer import Answer, Audiences, Outcome
from sampan.apiserver.auth.claims import issuer
from sampan.apiserver.auth.configuration.authentication import Issuer, Jwt
from sampan.apiserver.auth.oidc import verification
from sampan.apiserver.auth.oidc.distributed import Distributed, Getter
from sampan.apiserver.auth.oidc.keyset import KeySet
from sampan.apiserver.auth.oidc.mapping import IdentityMapping
from sampan.apiserver.auth.oidc.tokens import OidcTokens
from sampan.apiserver.auth.tally import FAILURE, JWT, SUCCESS, Tally

FETCHED, KEY_SET = f"{JWT}_jwks_fetch_last_timestamp_seconds", f"{JWT}_jwks_fetch_last_key_set_info"


@dataclass(frozen=True, slots=True)
class Entry:
    """One issuer, checked and compiled."""

    jwt: Jwt
    mapping: IdentityMapping
    algorithms: Sequence[str] = verification.ALGORITHMS


Open = Callable[[str, str], Getter]
"""Issuer's URL and certificate authority (PEM, "" for the machine's) to who fetches from it."""
Place = tuple[str, str, str]


class Issuers:
    """`take` replaces the issuers; keys of one that stays where it was are kept."""

    def __init__(self, clock: Clock, open_: Open, implicit: Audiences, tally: Tally) -> None:
        self._clock = clock
        self._tally = tally
        self._open = open_
        self._implicit = implicit
        self._tasks: TaskOwner | None = None
        self._keys: dict[Place, KeySet] = {}
        self._ways: dict[str, OidcTokens] = {}
        self._distributed: list[Distributed] = []

    def know(self, token: bytes, wanted: Audiences) -> Answer:
        if not self._ways:
            return None
        named = issuer(token)
        way = self._ways.get(named)
        if way is None:
            return None
        began = self._clock.monotonic()
        try:
            answer = way.know(token, wanted)
        except Rejected:
            self._checked(named, began, FAILURE)
            raise
        if isinstance(answer, Awaitable):
            return self._later(answer, named, began)
        if answer is not None:
            self._checked(named, began, SUCCESS)
        return answer

    async def _later(self, waiting: Awaitable[Outcome], named: str, began: float) -> Outcome:
        result = FAILURE
        try:
            answer = await waiting
            result = SUCCESS
            return answer
        finally:
            self._checked(named, began, result)

    def _checked(self, named: str, began: float, result: str) -> None:
        self._tally.observe(f"{JWT}_latency_seconds", self._clock.monotonic() - began, result, hashed(named))

    def take(self, entries: Sequence[Entry]) -> None:
        """From now on these are the issuers."""
        before, self._keys = self._keys, {}
        distributed, self._distributed = self._distributed, []
        ways = {}
        for entry in entries:
            told = entry.jwt.issuer
            place = (told.url, told.discoveryURL, told.certificateAuthority)
            keys = self._keys[place] = before.pop(place) if place in before else self._made(told)
            ways[told.url] = OidcTokens(
                told.url,
                told.audiences,
                entry.mapping,
                keys,
                now=self._clock.now,
                implicit=self._implicit,
                algorithms=entry.algorithms,
                distributed=self._elsewhere(entry),
            )
        self._ways = ways
        for close in _ends(before.values(), distributed):
            self._spawn(close, "oidc-close")
        for url in {place[0] for place in before} - {place[0] for place in self._keys}:
            for name in (FETCHED, KEY_SET):
                self._tally.forget(name, ownname.digest(), hashed(url))

    def start(self, tasks: TaskOwner) -> None:
        """Ask the issuers for their keys; `tasks` owns whoever does."""
        self._tasks = tasks
        for keys in self._keys.values():
            self._spawn(keys.run, "oidc-discovery")

    async def close(self) -> None:
        for close in _ends(self._keys.values(), self._distributed):
            await close()

    def statistics(self) -> dict[str, str]:
        """What is wrong with each issuer ("": nothing)."""
        return {place[0]: keys.problem for place, keys in self._keys.items()}

    def _made(self, told: Issuer) -> KeySet:
        getter = self._open(told.url, told.certificateAuthority)
        asked = partial(self._asked, told.url)
        keys = KeySet(told.url, getter, self._clock, told.discoveryURL, asked=lambda result: asked(keys, result))
        self._spawn(keys.run, "oidc-discovery")
        return keys

    def _asked(self, url: str, keys: KeySet, result: str) -> None:
        if keys not in self._keys.values():
            return  # it was taken out meanwhile
        which = ownname.digest(), hashed(url)
        self._tally.mark(FETCHED, self._clock.now(), *which, result)
        if result == SUCCESS:
            self._tally.forget(KEY_SET, *which)
            self._tally.mark(KEY_SET, 1, *which, ownname.sha256(keys.document))

    def _elsewhere(self, entry: Entry) -> Distributed | None:
        """Groups of a claim may be elsewhere; an expression takes what is in the token."""
        told, claim = entry.jwt.issuer, entry.jwt.claimMappings.groups.claim
        if not claim:
            return None
        getter = self._open(told.url, told.certificateAuthority)
        made = Distributed(claim, getter, self._clock, audiences=told.audiences, algorithms=entry.algorithms)
        self._distributed.append(made)
        return made

    def _spawn(self, work: Callable[..., object], name: str) -> None:
        if self._tasks is not None:
            self._tasks.start(work, name=name, policy="log")  # type: ignore[arg-type]


@lru_cache(maxsize=128)
def hashed(url: str) -> str:
    """An issuer as metrics tell it: its address is nobody's business who reads them."""
    return ownname.sha256(url.encode())


def _ends(keys: Iterable[KeySet], distributed: Iterable[Distributed]) -> list[Callable[[], Awaitable[None]]]:
    return [*(one.close for one in keys), *(one.close for one in distributed)]
