"""ConfigMaps, Secrets and service-account tokens for pods, straight from the API.

Nothing is kept but tokens: a pod that is started just after its ConfigMap changed must see the change, and refreshing
volumes asks once a minute at most. Requests for one object that are under way at the same time become one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from sampan.aio.clock import Clock, parse_timestamp
from sampan.api.errors import ApiError, NotFound
from sampan.api.kinds import authentication_v1, core_v1
from sampan.client.errors import ClientError
from sampan.client.interface import Client
from sampan.volumes.errors import VolumeError

RENEW_AT = 0.8
"""A token is asked for anew when this part of its life has passed."""


@dataclass(frozen=True, slots=True)
class Token:
    text: str
    renew_at: float


class ApiObjects:
    """`sampan.volumes.interface.Objects` over a Client."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._asking: dict[tuple[str, ...], asyncio.Task[Any]] = {}
        self._tokens: dict[tuple[str, ...], Token] = {}

    async def config_map(self, namespace: str, name: str) -> Any | None:
        key = ("configmap", namespace, name)
        return await self._once(key, lambda: self._get(core_v1.ConfigMap, namespace, name))

    async def secret(self, namespace: str, name: str) -> Any | None:
        return await self._once(("secret", namespace, name), lambda: self._get(core_v1.Secret, namespace, name))

    async def token(self, pod: Any, audience: str, seconds: int) -> str:
        key = (pod.metadata.uid, audience, str(seconds))
        known = self._tokens.get(key)
        if known is None or known.renew_at <= self._clock.now():
            known = self._tokens[key] = await self._new_token(pod, audience, seconds)
        return known.text

    def forget(self, uid: str) -> None:
        """Drops the tokens of a pod that is gone."""
        for key in [key for key in self._tokens if key[0] == uid]:
            del self._tokens[key]

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
        return Token(status["token"], now + lasts * RENEW_AT)

    async def _get(self, kind: Any, namespace: str, name: str) -> Any | None:
        try:
            return await self._client.get(kind, name, namespace)
        except NotFound:
            return None
        except (ApiError, ClientError) as error:
            raise VolumeError(f"failed to get {kind.__name__.lower()} {namespace}/{name}: {error}") from None

    async def _once(self, key: tuple[str, ...], ask: Callable[[], Awaitable[Any]]) -> Any:
        task = self._asking.get(key)
        if task is None:
            task = self._asking[key] = asyncio.get_running_loop().create_task(
                _started(ask), name="get " + "/".join(key)
            )
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        return await asyncio.shield(task)


async def _started(ask: Callable[[], Awaitable[Any]]) -> Any:
    return await ask()
