"""Accounts whose pods may use no secrets but those the account names. Pure.

https://kubernetes.io/docs/concepts/security/service-accounts/#enforce-mountable-secrets
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

ANNOTATION = "kubernetes.io/enforce-mountable-secrets"
TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})


def applies(account: Any) -> bool:
    """Whether the account asks for it, in any of Go's spellings of true."""
    return (account.metadata.annotations or {}).get(ANNOTATION) in TRUE


def of_pod(spec: Any, account: Any) -> str:
    """Why a new pod is refused: volumes, environment and pull secrets; "" when it is not."""
    name, allowed = account.metadata.name, _allowed(account)
    for one in spec.volumes or ():
        if one.secret is not None and one.secret.secretName not in allowed:
            return (
                f'volume with secret.secretName="{one.secret.secretName}" is not allowed because service account '
                + (f"{name} does not reference that secret")
            )
    containers = (("init container", spec.initContainers), ("container", spec.containers))
    for word, listed in containers:
        if why := _of_containers(word, listed, name, allowed):
            return why
    pull = {secret.name for secret in account.imagePullSecrets or ()}
    for number, one in enumerate(spec.imagePullSecrets or ()):
        if one.name not in pull:
            where = f'imagePullSecrets[{number}].name="{one.name}"'
            return f"{where} is not allowed because service account {name} does not reference that imagePullSecret"
    return ""


def of_ephemeral(spec: Any, account: Any) -> str:
    """The same of containers that are added to a running pod (CVE-2023-2728)."""
    return _of_containers("ephemeral container", spec.ephemeralContainers, account.metadata.name, _allowed(account))


def _allowed(account: Any) -> set[str]:
    return {secret.name for secret in account.secrets or ()}


def _of_containers(word: str, containers: Any, account: str, allowed: set[str]) -> str:
    for container in containers or ():
        for how, secret in _secrets(container):
            if secret not in allowed:
                return (
                    f'{word} {container.name} with {how} referencing secret.secretName="{secret}" is not allowed '
                    + (f"because service account {account} does not reference that secret")
                )
    return ""


def _secrets(container: Any) -> Iterator[tuple[str, str]]:
    """Where a container takes its environment from: key by key, or whole secrets (CVE-2024-3177)."""
    for variable in container.env or ():
        if variable.valueFrom is not None and variable.valueFrom.secretKeyRef is not None:
            yield f"envVar {variable.name}", variable.valueFrom.secretKeyRef.name or ""
    for source in container.envFrom or ():
        if source.secretRef is not None:
            yield "envFrom", source.secretRef.name or ""
