"""Runs the controllers, in the order of one list."""

from __future__ import annotations

import logging
import random
from typing import Any

from sampan.aio.backoff import Backoff
from sampan.aio.clock import Clock
from sampan.aio.tasks import TaskOwner
from sampan.client.interface import Client
from sampan.controllers.accounttokens import AccountTokensController
from sampan.controllers.bootstrap.cleaner import TokenCleaningController
from sampan.controllers.bootstrap.signer import BootstrapSigningController
from sampan.controllers.certificates.approver import CertificateApprovingController
from sampan.controllers.certificates.cleaner import CertificateCleaningController
from sampan.controllers.certificates.signer import CertificateSigningController
from sampan.controllers.clusterrole import ClusterRoleAggregationController
from sampan.controllers.context import Config, Context
from sampan.controllers.cronjob.controller import CronJobController
from sampan.controllers.daemonset.controller import DaemonSetController
from sampan.controllers.defaults import RootCaController, ServiceAccountController
from sampan.controllers.deployment.controller import DeploymentController
from sampan.controllers.disruption.controller import DisruptionController
from sampan.controllers.endpoints.legacy import EndpointsController
from sampan.controllers.endpoints.mirroring import EndpointSliceMirroringController
from sampan.controllers.endpoints.slices import EndpointSliceController
from sampan.controllers.garbage.controller import GarbageCollector
from sampan.controllers.job.controller import JobController
from sampan.controllers.loadbalancer.controller import LoadBalancerController
from sampan.controllers.namespace import NamespaceController
from sampan.controllers.node.eviction import TaintEvictionController
from sampan.controllers.node.lifecycle import NodeLifecycleController
from sampan.controllers.node.podgc import PodGcController
from sampan.controllers.nodeipam import NodeIpamController
from sampan.controllers.protection.attributesclass import AttributesClassProtectionController
from sampan.controllers.protection.claim import ClaimProtectionController
from sampan.controllers.protection.volume import VolumeProtectionController
from sampan.controllers.quota.controller import ResourceQuotaController
from sampan.controllers.reconciler import Controller
from sampan.controllers.replicaset.controller import ReplicaSetController, ReplicationControllerController
from sampan.controllers.servicecidr import ServiceCidrController
from sampan.controllers.statefulset.controller import StatefulSetController
from sampan.controllers.ttl import TtlAfterFinishedController

log = logging.getLogger(__name__)

CONTROLLERS: tuple[type[Controller], ...] = (
    DeploymentController,
    ReplicaSetController,
    ReplicationControllerController,
    StatefulSetController,
    DaemonSetController,
    JobController,
    CronJobController,
    TtlAfterFinishedController,
    DisruptionController,
    ResourceQuotaController,
    ClusterRoleAggregationController,
    EndpointSliceController,
    EndpointsController,
    EndpointSliceMirroringController,
    LoadBalancerController,
    ServiceCidrController,
    NamespaceController,
    ServiceAccountController,
    AccountTokensController,
    RootCaController,
    CertificateApprovingController,
    CertificateSigningController,
    CertificateCleaningController,
    BootstrapSigningController,
    TokenCleaningController,
    NodeIpamController,
    NodeLifecycleController,
    TaintEvictionController,
    PodGcController,
    ClaimProtectionController,
    VolumeProtectionController,
    AttributesClassProtectionController,
    GarbageCollector,
)


class ControllerManager:
    """`run` until cancelled. Controllers start once the caches they share have their first lists."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        rng: random.Random,
        config: Config | None = None,
        *,
        controllers: tuple[type[Controller], ...] = CONTROLLERS,
    ) -> None:
        self.context = Context(client, clock, rng, config)
        enabled = self.context.config.enabled
        chosen = [kind for kind in controllers if enabled is None or kind.name in enabled]
        self.controllers = [kind(self.context) for kind in chosen]
        self._owner = TaskOwner("controllers", clock=clock, backoff=Backoff(base=1.0, cap=60.0, rng=rng, jitter=0.2))

    async def run(self) -> None:
        """Runs every controller until cancelled; raises what ends one of them for good, such as NotLeader."""
        try:
            self.context.informers.start(self._owner)
            await self.context.informers.synced()
            log.info("controllers started count=%d", len(self.controllers))
            for controller in self.controllers:
                controller.start(self._owner)
            await self._owner.wait()
        finally:
            await self._owner.close()
            await self.context.close()
            for controller in self.controllers:
                controller.queue.close()

    def statistics(self) -> dict[str, Any]:
        """Per controller its queue and counts; the informers; the events."""
        return {
            "controllers": {controller.name: controller.statistics() for controller in self.controllers},
            **self.context.statistics(),
        }
