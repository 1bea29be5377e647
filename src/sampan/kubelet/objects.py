"""ConfigMaps, Secrets, claims and service-account tokens for pods, straight from the API.

Nothing is kept but tokens: a pod that is started just after its ConfigMap changed must see the change, and running
pods ask again only when a watch has told of one. Requests for one object that are under way at once become one.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sampan.aio.clock import Clock, parse_timestamp
from sampan.aio.singleflight import SingleFlight
from sampan.api.errors import ApiError, NotFound
from sampan.api.kinds import authentication_v1, certificates_v1beta1, core_v1
from sampan.api.selectors import from_label_selector
from sampan.client.errors import ClientError
from sampan.client.interface import Client
from sampan.kubelet.changes import ObjectChanges
from sampan.volumes.errors import VolumeError
from sampan.volumes.references import Reference, shown_objects

RENEW_AT = 0.8
"""A token is asked for anew when this part of its life has passed."""
LONGEST_USE = 24 * 3600.0
"""Seconds after which it is asked for anew however long it lasts."""
PULL_TOKEN_SECONDS = 3600
"""The life of a token for a credential provider: what the API server gives who asks for none."""
TokenKey = tuple[str, ...]
KINDS = {"configmaps": core_v1.ConfigMap, "secrets": core_v1.Secret}


@dataclass(frozen=True, slots=True)
class Token:
    text: str
    renew_at: float


class ApiObjects:
    """`sampan.volumes.interface.Objects` over a Client."""

    def __init__(self, client: Client, clock: Clock, rng: random.Random) -> None:
        self._client = client
        self._clock = clock
        self._asking = SingleFlight()
        self._tokens: dict[TokenKey, Token] = {}
        self._pull_tokens: dict[TokenKey, Token] = {}
        self._read: dict[Reference, str] = {}
        self._immutable: set[Reference] = set()
        self.changes = ObjectChanges(client, clock, rng, self._read.get)

    async def config_map(self, namespace: str, name: str) -> Any | None:
        return await self._shown(Reference("configmaps", namespace, name))

    async def secret(self, namespace: str, name: str) -> Any | None:
        return await self._shown(Reference("secrets", namespace, name))

    async def claim(self, namespace: str, name: str) -> Any | None:
        key = ("claim", namespace, name)
        return await self._asking.run(key, lambda: self._get(core_v1.PersistentVolumeClaim, namespace, name))

    async def persistent_volume(self, name: str) -> Any | None:
        return await self._asking.run(("volume", name), lambda: self._get(core_v1.PersistentVolume, None, name))

    async def service_account(self, namespace: str, name: str) -> Any | None:
        key = ("account", namespace, name)
        return await self._asking.run(key, lambda: self._get(core_v1.ServiceAccount, namespace, name))

    async def trust_bundles(self, *, name: str | None, signer: str | None, labels: Any | None) -> list[str]:
        if name:
            found = await self._get(certificates_v1beta1.ClusterTrustBundle, None, name)
            return [found.spec.trustBundle] if found is not None else []
        selector = from_label_selector(labels)
        try:
            listed = await self._client.list(
                certificates_v1beta1.ClusterTrustBundle, fields=f"spec.signerName={signer}"
            )
        except (ApiError, ClientError) as error:
            raise VolumeError(f"failed to list trust bundles of {signer}: {error}") from None
        return [item.spec.trustBundle for item in listed.items if selector.matches(item.metadata.labels)]

    async def token(self, pod: Any, audience: str, seconds: int) -> str:
        return await self._kept_token(self._tokens, pod, audience, seconds)

    async def pull_token(self, pod: Any, audience: str) -> str:
        return await self._kept_token(self._pull_tokens, pod, audience, PULL_TOKEN_SECONDS)

    async def _kept_token(self, kept: dict[TokenKey, Token], pod: Any, audience: str, seconds: int) -> str:
        key = (pod.metadata.uid, audience, str(seconds))
        known = kept.get(key)
        if known is None or known.renew_at <= self._clock.now():
            known = kept[key] = await self._new_token(pod, audience, seconds)
        return known.text

    def renewal(self, uid: str) -> float | None:
        """When the first of the pod's tokens is to be renewed, in seconds since the epoch; None without any."""
        return min((token.renew_at for key, token in self._tokens.items() if key[0] == uid), default=None)

    def follow(self, pod: Any, wake: Callable[[], None]) -> None:
        """Calls `wake` when something has changed that the pod's volumes show and that may change."""
        self.changes.follow(pod.metadata.uid, shown_objects(pod) - self._immutable, wake)

    def forget(self, uid: str) -> None:
        """Drops the tokens and watches of a pod that is gone."""
        self.changes.forget(uid)
        for reference in [known for known in self._read if not self.changes.is_followed(known)]:
            del self._read[reference]
        self._immutable.intersection_update(self._read)
        for kept in (self._tokens, self._pull_tokens):
            for key in [key for key in kept if key[0] == uid]:
                del kept[key]

    async def _new_token(self, pod: Any, audience: str, seconds: int) -> Token:
        account = pod.spec.serviceAccountName or "default"
        bound = authentication_v1.BoundObjectReference(
            kind="Pod", apiVersion="v1", name=pod.metadata.name, uid=pod.metadata.uid
        )
        spec = authentication_v1.TokenRequestSpec(
            audiences=[audience] if audience else None, expirationSeconds=seconds, boundObjectRef=bound
        )
        request = authentication_v1.TokenRequest(spec=spec)
        try:
            answer = await self._client.create_subresource(
                core_v1.ServiceAccount, account, pod.metadata.namespace, "token", request
            )
        except (ApiError, ClientError) as error:
            raise VolumeError(f"failed to fetch token: {error}") from None
        now, status = self._clock.now(), answer["status"]
        lasts = parse_timestamp(status["expirationTimestamp"]) - now
        return Token(status["token"], now + min(lasts * RENEW_AT, LONGEST_USE))

    async def _shown(self, reference: Reference) -> Any | None:
        """Notes which version was read, and whether there will ever be another."""
        kind = KINDS[reference.plural]
        found = await self._asking.run(reference, lambda: self._get(kind, reference.namespace, reference.name))
        if found is None:
            self._read.pop(reference, None)
            self._immutable.discard(reference)
            return None
        self._read[reference] = found.metadata.resourceVersion
        if found.immutable:
            self._immutable.add(reference)
        return found

    async def _get(self, kind: Any, namespace: str | None, name: str) -> Any | None:
        try:
            return await self._client.get(kind, name, namespace)
        except NotFound:
            return None
        except (ApiError, ClientError) as error:
            where = f"{namespace}/{name}" if namespace else name
            raise VolumeError(f"failed to get {kind.__name__.lower()} {where}: {error}") from None
