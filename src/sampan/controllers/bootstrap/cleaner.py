"""The token cleaner: a bootstrap token whose time is over is deleted, and with it its signature of cluster-info.

A token whose end cannot be read is one nobody can rely on: the API server refuses it, and it is deleted as well.
"""

from __future__ import annotations

from typing import Any

from sampan.api.kinds import core_v1
from sampan.client import bootstrap
from sampan.controllers.context import Context
from sampan.controllers.reconciler import Controller


def left(secret: Any, now: float) -> float | None:
    """Seconds until a token is over, 0 when it is; None for one without an end. Pure."""
    if secret.type != bootstrap.TYPE:
        return None
    try:
        end = bootstrap.expiration(bootstrap.fields(secret))
    except ValueError:
        return 0.0
    return None if end is None else max(0.0, end - now)


class TokenCleaningController(Controller):
    name = "token-cleaner"
    component = "token-cleaner"
    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.secrets = context.informers.of(
            core_v1.Secret, namespace=bootstrap.NAMESPACE, fields=f"type={bootstrap.TYPE}"
        )
        self.secrets.add_handler(self.enqueue_self)

    async def reconcile(self, key: str) -> float | None:
        secret = self.secrets.get(key)
        if secret is None or secret.metadata.deletionTimestamp is not None:
            return None
        remaining = left(secret, self.clock.now())
        if remaining != 0.0:
            return remaining
        await self.write.delete(secret, resource_version=secret.metadata.resourceVersion)
        return None
