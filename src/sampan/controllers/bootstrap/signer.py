"""The bootstrap signer: `kube-public/cluster-info` bears a signature of each token that may sign, and no others.

It never makes that ConfigMap: whoever wants machines to join does (`sampan token create`, as `kubeadm init`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from sampan.api.kinds import core_v1
from sampan.client import bootstrap
from sampan.controllers.context import Context
from sampan.controllers.reconciler import Controller


def signed(data: dict[str, str], secrets: Iterable[Any], now: float) -> dict[str, str]:
    """The ConfigMap's data as it should be. Pure."""
    content = data.get(bootstrap.KUBECONFIG)
    kept = {name: value for name, value in data.items() if not name.startswith(bootstrap.SIGNATURE_PREFIX)}
    if content is None:
        return kept
    tokens = [token for secret in secrets if (token := bootstrap.signing_token(secret, now)) is not None]
    return kept | {bootstrap.SIGNATURE_PREFIX + token.id: bootstrap.signature(content, token) for token in tokens}


class BootstrapSigningController(Controller):
    """One key: the ConfigMap's."""

    name = "bootstrap-signer"
    component = "bootstrap-signer"
    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        informers = context.informers
        self.secrets = informers.of(core_v1.Secret, namespace=bootstrap.NAMESPACE, fields=f"type={bootstrap.TYPE}")
        self.info = informers.of(
            core_v1.ConfigMap, namespace=bootstrap.INFO_NAMESPACE, fields=f"metadata.name={bootstrap.INFO_NAME}"
        )
        self.secrets.add_handler(self._changed)
        self.info.add_handler(self._changed)

    def _changed(self, old: Any, new: Any) -> None:
        self.enqueue(f"{bootstrap.INFO_NAMESPACE}/{bootstrap.INFO_NAME}")

    async def reconcile(self, key: str) -> float | None:
        info = self.info.get(key)
        if info is None or info.metadata.deletionTimestamp is not None:
            return None
        data = signed(info.data or {}, self.secrets.list(), self.clock.now())
        if data != (info.data or {}):
            self.info.observe(await self.client.update(msgspec.structs.replace(info, data=data)))
        return None
