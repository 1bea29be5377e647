"""The node's credential providers: who is asked for an image, and for how long the answer is good.

An answer is kept for its image, its registry or all images of its provider, as it says itself; one that was given for
a pod's service account is only that account's (KEP-4412). A provider that fails gives nothing, and the pull goes on
without it: the registry may let it in.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sampan.aio.clock import Clock
from sampan.aio.singleflight import SingleFlight
from sampan.api.durations import read_duration
from sampan.kubelet.credentials.account import Accounts, Identity, NoIdentity, identity_of
from sampan.kubelet.credentials.configuration import Provider
from sampan.kubelet.credentials.program import Ask, ProviderFailure, Request, Response
from sampan.kubelet.imagenames import repository
from sampan.kubelet.pullsecrets import Credential, is_for, registry_of
from sampan.volumes.errors import VolumeError

log = logging.getLogger(__name__)
MOST_KEPT = 1000
"""Answers kept of one provider; the oldest go first."""
Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """`until` in seconds of the monotonic clock."""

    credentials: list[Credential]
    until: float


class CredentialProviders:
    """All providers of the node, in the order they are configured."""

    def __init__(self, providers: Sequence[Provider], ask: Ask, accounts: Accounts, clock: Clock) -> None:
        self._providers = [CachedProvider(provider, ask, accounts, clock) for provider in providers]

    async def credentials(self, pod: Any, image: str) -> list[Credential]:
        """For any images; the caller picks those for `image`."""
        wanted = repository(image)
        asked = [provider for provider in self._providers if provider.is_for(wanted)]
        return [credential for provider in asked for credential in await provider.credentials(pod, wanted)]


class CachedProvider:
    def __init__(self, provider: Provider, ask: Ask, accounts: Accounts, clock: Clock) -> None:
        self._provider = provider
        self._ask = ask
        self._accounts = accounts
        self._clock = clock
        self._lasts = read_duration(provider.defaultCacheDuration)
        self._kept: dict[Key, Kept] = {}
        self._asking = SingleFlight()

    def is_for(self, image: str) -> bool:
        return any(is_for(registry_of(pattern), image) for pattern in self._provider.matchImages)

    async def credentials(self, pod: Any, image: str) -> list[Credential]:
        """`image` is a repository's full name. [] when there are none, or they could not be had."""
        try:
            identity = await identity_of(pod, self._provider.tokenAttributes, self._accounts)
            known = self._known(image, identity.key)
            if known is not None:
                return known
            return await self._asking.run((image, *identity.key), lambda: self._fetched(image, identity))
        except NoIdentity as error:
            log.debug("a credential provider is not for this pod provider=%s why=%s", self._provider.name, error)
        except (ProviderFailure, VolumeError) as error:
            log.error("no credentials from a provider provider=%s error=%s", self._provider.name, error)
        return []

    def _known(self, image: str, identity: Key) -> list[Credential] | None:
        for key in keys(image).values():
            kept = self._kept.get((key, *identity))
            if kept is not None and kept.until > self._clock.monotonic():
                return kept.credentials
        return None

    async def _fetched(self, image: str, identity: Identity) -> list[Credential]:
        request = Request(
            apiVersion=self._provider.apiVersion,
            image=image,
            serviceAccountToken=await identity.token(),
            serviceAccountAnnotations=identity.annotations,
        )
        response = await self._ask(self._provider, request)
        key = keys(image).get(response.cacheKeyType)
        if key is None:
            kind = response.cacheKeyType[:100]
            raise ProviderFailure(f'credential provider plugin did not return a valid cacheKeyType: "{kind}"')
        found = logins(response, identity)
        self._keep((key, *identity.key), found, response.lasts(self._lasts))
        return found

    def _keep(self, key: Key, found: list[Credential], lasts: float) -> None:
        now = self._clock.monotonic()
        self._kept = {known: kept for known, kept in self._kept.items() if kept.until > now and known != key}
        if len(self._kept) >= MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        if lasts > 0:
            self._kept[key] = Kept(found, now + lasts)


def keys(image: str) -> dict[str, str]:
    """What an answer is kept under, by its cacheKeyType; the first that is known is taken."""
    return {"Image": image, "Registry": image.partition("/")[0], "Global": ""}


def logins(response: Response, identity: Identity) -> list[Credential]:
    return [
        Credential(
            registry=registry_of(pattern), username=login.username, password=login.password, account=identity.account
        )
        for pattern, login in (response.auth or {}).items()
    ]
