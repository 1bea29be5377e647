"""On whose behalf a credential provider is asked: the pod's service account, where it wants one (KEP-4412)."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from sampan.kubelet.credentials.configuration import TokenAttributes
from sampan.volumes.errors import VolumeError


class NoIdentity(Exception):
    """The provider is not for this pod: it has no service account, or one without the annotations."""


class Accounts(Protocol):
    """Raises VolumeError when the API cannot be asked."""

    async def service_account(self, namespace: str, name: str) -> Any | None: ...

    async def pull_token(self, pod: Any, audience: str) -> str:
        """A token of the pod's service account for that audience."""
        ...


async def no_token() -> str:
    return ""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """`account` is the (uid, namespace, name) of a service account, None for nobody's; `key` tells who shares what is
    given to it; `token()` raises VolumeError."""

    account: tuple[str, str, str] | None = None
    key: tuple[str, ...] = ()
    annotations: dict[str, str] = field(default_factory=dict)
    token: Callable[[], Awaitable[str]] = no_token


async def identity_of(pod: Any, wanted: TokenAttributes | None, accounts: Accounts) -> Identity:
    """Raises NoIdentity and VolumeError."""
    if wanted is None:
        return Identity()
    name, namespace = pod.spec.serviceAccountName, pod.metadata.namespace
    if not name:
        if wanted.requireServiceAccount:
            raise NoIdentity("it has no service account")
        return Identity()
    found = await accounts.service_account(namespace, name)
    if found is None:
        raise VolumeError(f'serviceaccounts "{name}" not found')
    annotations = chosen(found.metadata.annotations or {}, wanted)
    account = (found.metadata.uid or "", namespace, name)
    key = (*account, *(word for pair in sorted(annotations.items()) for word in pair))
    audience = wanted.serviceAccountTokenAudience
    if wanted.cacheType == "Token":
        key = (*key, hashlib.sha256((await accounts.pull_token(pod, audience)).encode()).hexdigest())
    return Identity(account=account, key=key, annotations=annotations, token=lambda: accounts.pull_token(pod, audience))


def chosen(annotations: dict[str, str], wanted: TokenAttributes) -> dict[str, str]:
    """Those that the provider is to see; raises NoIdentity."""
    for name in wanted.requiredServiceAccountAnnotationKeys:
        if name not in annotations:
            raise NoIdentity(f"required annotation {name} not found")
    shown = (*wanted.requiredServiceAccountAnnotationKeys, *wanted.optionalServiceAccountAnnotationKeys)
    return {name: annotations[name] for name in shown if name in annotations}
