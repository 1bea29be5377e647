"""What every controller is given: the API, time, chance, shared caches, and how the cluster is set up."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from sampan.aio.clock import Clock
from sampan.client.events import EventRecorder
from sampan.client.informers import Informers
from sampan.client.interface import Client

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the controllers; the flags of upstream's kube-controller-manager they stand for are named.

    `service_account_key` (`--service-account-private-key-file`): None makes no tokens for secrets.
    `root_ca` (`--root-ca-file`): None publishes no kube-root-ca.crt; changes of the file are published. `cluster_cidr`
    and `node_mask_size` (`--cluster-cidr`, `--node-cidr-mask-size`): an empty `cluster_cidr` allocates no pod networks.
    `signing` maps a signer to its files, a bundle and a key (`--cluster-signing-*-file`); a signer without is not ours.
    `signing_seconds` (`--cluster-signing-duration`) is the longest life of what they sign.
    `enabled` (`--controllers`): names of controllers to run, None for all.
    """

    root_ca: Path | None = None
    service_account_key: Path | None = None
    cluster_cidr: str = "10.244.0.0/16"
    node_mask_size: int = 24
    node_monitor_grace_seconds: float = 50.0
    node_startup_grace_seconds: float = 60.0
    node_eviction_rate: float = 0.1
    secondary_node_eviction_rate: float = 0.01
    large_zone: int = 50
    unhealthy_zone_share: float = 0.55
    terminated_pod_limit: int = 12500
    signing: Mapping[str, tuple[Path, Path]] = field(default_factory=dict)
    signing_seconds: float = 365 * 86400.0
    enabled: frozenset[str] | None = None


class Context:
    """Made once per controller manager and shared by its controllers."""

    def __init__(self, client: Client, clock: Clock, rng: random.Random, config: Config | None = None) -> None:
        self.client = client
        self.clock = clock
        self.rng = rng
        self.config = config or Config()
        self.informers = Informers(client, clock, rng)
        self._recorders: dict[str, EventRecorder] = {}
        self._shared: dict[Any, Any] = {}

    def recorder(self, component: str) -> EventRecorder:
        """The event recorder of a controller, under upstream's name for it (`deployment-controller`)."""
        recorder = self._recorders.get(component)
        if recorder is None:
            recorder = self._recorders[component] = EventRecorder(self.client, component, "", self.clock, self.rng)
        return recorder

    def share(self, make: Callable[[Context], T]) -> T:
        """What `make(self)` gave the first time: one of its kind for all controllers."""
        if make not in self._shared:
            self._shared[make] = make(self)
        made: T = self._shared[make]
        return made

    async def close(self) -> None:
        for recorder in self._recorders.values():
            await recorder.close()

    def statistics(self) -> dict[str, Any]:
        recorders = {name: recorder.statistics() for name, recorder in self._recorders.items()}
        return {"informers": self.informers.statistics(), "events": recorders}


@dataclass
class Seen:
    """Counts that a controller's `statistics` shows."""

    reconciled: int = 0
    failed: int = 0
    refused: dict[str, str] = field(default_factory=dict)
