"""What users read in `kubectl describe`: each controller's events, under upstream's reasons and in its words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from sampan.api.errors import Forbidden
from sampan.api.kinds import apps_v1, batch_v1, core_v1, meta_v1, policy_v1
from sampan.controllers.context import Config
from sampan.controllers.cronjob.controller import CronJobController
from sampan.controllers.daemonset.controller import DaemonSetController
from sampan.controllers.deployment.controller import DeploymentController
from sampan.controllers.disruption.controller import DisruptionController
from sampan.controllers.endpoints.legacy import EndpointsController
from sampan.controllers.endpoints.slices import EndpointSliceController
from sampan.controllers.garbage.controller import GarbageCollector
from sampan.controllers.job.controller import JobController
from sampan.controllers.loadbalancer.controller import LoadBalancerController
from sampan.controllers.nodeipam import NodeIpamController
from sampan.controllers.replicaset.controller import ReplicaSetController
from sampan.controllers.statefulset.controller import StatefulSetController
from tests.unit.controllers.harness import World, deployment, pod, replicaset, world
from tests.unit.controllers.test_cronjob import cronjob
from tests.unit.controllers.test_daemonset import bind, daemonset, nodes
from tests.unit.controllers.test_disruption import budget
from tests.unit.controllers.test_endpoints import running
from tests.unit.controllers.test_endpoints import service as plain_service
from tests.unit.controllers.test_garbage import config, ref
from tests.unit.controllers.test_job import end, job
from tests.unit.controllers.test_loadbalancer import node, service
from tests.unit.controllers.test_statefulset import statefulset

REFUSED = Forbidden("no more of these")
Told = list[tuple[str, str, str]]


def ended(w: World, phase: str) -> None:
    """The first pod ends."""
    w.api.change(core_v1.Pod, w.pods()[0].metadata.name, "a", lambda p: setattr(p.status, "phase", phase))


async def a_replicaset(w: World) -> None:
    w.api.fail("create", "pods", REFUSED)
    await w.api.create(replicaset(replicas=1))
    await w.settle(2)
    w.api.change(apps_v1.ReplicaSet, "web", "a", lambda rs: setattr(rs.spec, "replicas", 0))
    w.api.fail("delete", "pods", REFUSED)
    await w.settle(2)


async def a_deployment(w: World) -> None:
    await w.api.create(deployment(replicas=2))
    await w.settle(1)
    w.become_ready()
    await w.settle(1)

    def second(one: Any) -> None:
        one.spec.template.spec.containers[0].image = "sample:2"
        one.spec.strategy.type = "Recreate"
        one.spec.strategy.rollingUpdate = None

    w.api.change(apps_v1.Deployment, "web", "a", second)
    await w.settle(2)
    w.end_pods()
    await w.settle(2)


async def a_statefulset(w: World) -> None:
    w.api.fail("create", "persistentvolumeclaims", REFUSED)
    w.api.fail("create", "pods", REFUSED)
    await w.api.create(statefulset(1))
    await w.settle(5)
    w.become_ready()
    ended(w, "Failed")
    await w.settle(2)


async def a_daemonset(w: World) -> None:
    w.api.add(*nodes(1))
    await w.api.create(daemonset())
    await w.settle(2)
    for phase in ("Failed", "Succeeded"):
        bind(w)
        ended(w, phase)
        await w.settle(2)
        w.end_pods()
        await w.settle(2)


async def a_job(w: World) -> None:
    w.api.fail("create", "pods", REFUSED)
    await w.api.create(job(backoffLimit=0, suspend=True))
    await w.settle(2)
    w.api.change(batch_v1.Job, "sum", "a", lambda j: setattr(j.spec, "suspend", False))
    await w.settle(2)
    end(w, with_phase="Failed")
    await w.settle(2)


async def a_cronjob(w: World) -> None:
    w.api.fail("create", "jobs", REFUSED)
    await w.api.create(cronjob("*/5 * * * *", concurrencyPolicy="Forbid", startingDeadlineSeconds=900))
    await w.settle(610)
    w.api.remove(batch_v1.Job, w.api.all(batch_v1.Job)[0].metadata.name, "a")
    await w.settle(10)


async def a_balancer(w: World) -> None:
    w.api.add(node("n1", "192.0.2.1"))
    await w.api.create(service("web"))
    await w.settle(2)
    w.api.add(node("n2", "192.0.2.2"))
    await w.settle(2)
    for name in ("n1", "n2"):
        w.api.remove(core_v1.Node, name)
    await w.settle(2)


async def a_budget(w: World) -> None:
    await w.api.create(budget(maxUnavailable=1))
    await w.settle(2)
    w.api.add(pod("bare"))
    await w.settle(2)
    w.api.remove(core_v1.Pod, "bare", "a")
    w.api.add(
        pod(
            "worker",
            ownerReferences=[
                meta_v1.OwnerReference(apiVersion="batch/v1", kind="Job", name="j", uid="u", controller=True)
            ],
        )
    )
    await w.settle(2)


async def an_owner_elsewhere(w: World) -> None:
    owner = w.api.add(config("owner", namespace="b"))[0]
    owner.metadata.uid = "uid"
    w.api.change(core_v1.ConfigMap, "owner", "b", lambda one: setattr(one.metadata, "uid", "uid"))
    w.api.add(config("lost", ref(owner, uid="uid")))
    await w.settle(10)


async def too_many_nodes(w: World) -> None:
    for number in range(2):
        w.api.add(core_v1.Node(metadata=meta_v1.ObjectMeta(name=f"n{number}"), spec=core_v1.NodeSpec()))
        await w.settle(2)


async def a_service(w: World) -> None:
    w.api.add(core_v1.Node(metadata=meta_v1.ObjectMeta(name="node-1")), running(1))
    w.api.fail("create", "endpointslices", REFUSED)
    w.api.fail("create", "endpoints", REFUSED)
    await w.api.create(plain_service())
    await w.settle(3)
    w.api.fail("update", "endpoints", REFUSED)
    w.api.remove(core_v1.Pod, "web-001", "a")
    await w.settle(3)


STORIES: dict[str, tuple[tuple[Any, ...], Callable[[World], Awaitable[None]], str, Told]] = {
    "replicaset": (
        (ReplicaSetController,),
        a_replicaset,
        "ReplicaSet",
        [
            ("Warning", "FailedCreate", "Error creating: no more of these"),
            ("Normal", "SuccessfulCreate", "Created pod: web-*"),
            ("Warning", "FailedDelete", "Error deleting: no more of these"),
            ("Normal", "SuccessfulDelete", "Deleted pod: web-*"),
        ],
    ),
    "deployment": (
        (DeploymentController, ReplicaSetController),
        a_deployment,
        "Deployment",
        [
            ("Normal", "ScalingReplicaSet", "Scaled up replica set web-* from 0 to 2"),
            ("Normal", "ScalingReplicaSet", "Scaled down replica set web-* from 2 to 0"),
            ("Normal", "ScalingReplicaSet", "Scaled up replica set web-* from 0 to 2"),
        ],
    ),
    "statefulset": (
        (StatefulSetController,),
        a_statefulset,
        "StatefulSet",
        [
            (
                "Warning",
                "FailedCreate",
                "create Claim data-db-0 for Pod db-0 in StatefulSet db failed error: no more of these",
            ),
            ("Normal", "SuccessfulCreate", "create Claim data-db-0 Pod db-0 in StatefulSet db success"),
            ("Warning", "FailedCreate", "create Pod db-0 in StatefulSet db failed error: no more of these"),
            ("Normal", "SuccessfulCreate", "create Pod db-0 in StatefulSet db successful"),
            ("Warning", "RecreatingFailedPod", "StatefulSet a/db is recreating failed Pod db-0"),
            ("Normal", "SuccessfulDelete", "delete Pod db-0 in StatefulSet db successful"),
        ],
    ),
    "daemonset": (
        (DaemonSetController,),
        a_daemonset,
        "DaemonSet",
        [
            ("Normal", "SuccessfulCreate", "Created pod: agent-*"),
            ("Warning", "FailedDaemonPod", "Found failed daemon pod a/agent-* on node n0, will try to kill it"),
            ("Normal", "SuccessfulDelete", "Deleted pod: agent-*"),
            ("Normal", "SuccessfulCreate", "Created pod: agent-*"),
            ("Normal", "SucceededDaemonPod", "Found succeeded daemon pod a/agent-* on node n0, will try to delete it"),
            ("Normal", "SuccessfulDelete", "Deleted pod: agent-*"),
            ("Normal", "SuccessfulCreate", "Created pod: agent-*"),
        ],
    ),
    "job": (
        (JobController,),
        a_job,
        "Job",
        [
            ("Normal", "Suspended", "Job suspended"),
            ("Warning", "FailedCreate", "Error creating: no more of these"),
            ("Normal", "Resumed", "Job resumed"),
            ("Normal", "SuccessfulCreate", "Created pod: sum-*"),
            ("Warning", "BackoffLimitExceeded", "Job has reached the specified backoff limit"),
        ],
    ),
    "cronjob": (
        (CronJobController,),
        a_cronjob,
        "CronJob",
        [
            ("Warning", "FailedCreate", "Error creating job: no more of these"),
            ("Normal", "SuccessfulCreate", "Created job tick-29453765"),
            (
                "Normal",
                "JobAlreadyActive",
                "Not starting job because prior execution is running and concurrency policy is Forbid",
            ),
            ("Normal", "MissingJob", "Active job went missing: tick-29453765"),
            ("Normal", "SuccessfulCreate", "Created job tick-29453770"),
        ],
    ),
    "endpoint slices": (
        (EndpointSliceController,),
        a_service,
        "Service",
        [
            (
                "Warning",
                "FailedToUpdateEndpointSlices",
                "Error updating Endpoint Slices for Service a/web: no more of these",
            )
        ],
    ),
    "endpoints": (
        (EndpointsController,),
        a_service,
        "Endpoints",
        [
            ("Warning", "FailedToCreateEndpoint", "Failed to create endpoint for service a/web: no more of these"),
            ("Warning", "FailedToUpdateEndpoint", "Failed to update endpoint a/web: no more of these"),
        ],
    ),
    "load balancer": (
        (LoadBalancerController,),
        a_balancer,
        "Service",
        [
            ("Normal", "EnsuringLoadBalancer", "Ensuring load balancer"),
            ("Normal", "EnsuredLoadBalancer", "Ensured load balancer"),
            ("Normal", "UpdatedLoadBalancer", "Updated load balancer with new hosts"),
            ("Warning", "UnAvailableLoadBalancer", "There are no available nodes for LoadBalancer"),
        ],
    ),
    "budget": (
        (DisruptionController,),
        a_budget,
        "PodDisruptionBudget",
        [
            ("Normal", "NoPods", "No matching pods found"),
            (
                "Warning",
                "UnmanagedPods",
                "Pods selected by this PodDisruptionBudget (selector: &LabelSelector{MatchLabels:map[string]string{app:"
                " web,},MatchExpressions:[]LabelSelectorRequirement{},}) were found to be unmanaged. As a result, the "
                "status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account "
                'for these pods please set ".spec.minAvailable" field of the PDB to an integer value.',
            ),
            (
                "Warning",
                "CalculateExpectedPodCountFailed",
                "Failed to calculate the number of expected pods: jobs.batch does not implement the scale subresource",
            ),
        ],
    ),
    "garbage": (
        (GarbageCollector,),
        an_owner_elsewhere,
        "ConfigMap",
        [
            (
                "Warning",
                "OwnerRefInvalidNamespace",
                'ownerRef [v1/ConfigMap, namespace: a, name: owner, uid: uid] does not exist in namespace "a"',
            )
        ],
    ),
    "networks": (
        (NodeIpamController,),
        too_many_nodes,
        "Node",
        [
            (
                "Normal",
                "CIDRNotAvailable",
                "Node n1 status is now: CIDRNotAvailable: all 1 pod networks of 10.0.0.0/24 are taken, delete Nodes "
                "that are gone for good",
            )
        ],
    ),
}


@pytest.mark.parametrize("name", STORIES)
async def test_events_are_upstreams(name: str) -> None:
    controllers, story, kind, expected = STORIES[name]
    async with world(*controllers, config=Config(cluster_cidr="10.0.0.0/24")) as w:
        await story(w)
        await w.settle(5)
        assert w.told(kind) == expected


@pytest.mark.parametrize(
    ("cron", "reason", "message"),
    [
        (
            cronjob("61 * * * *"),
            "UnparseableSchedule",
            'unparseable schedule: "61 * * * *" : end of range (61) above maximum (59): 61',
        ),
        (
            cronjob(timeZone="Mars/North"),
            "UnknownTimeZone",
            'invalid timeZone: "Mars/North": unknown time zone Mars/North',
        ),
    ],
    ids=["schedule", "zone"],
)
async def test_a_cronjob_that_cannot_run_says_why(cron: Any, reason: str, message: str) -> None:
    async with world(CronJobController) as w:
        await w.api.create(cron)
        await w.settle(60)
        assert w.told() == [("Warning", reason, message)]


async def test_an_eviction_that_did_not_come_is_told_and_taken_back() -> None:
    async with world(DisruptionController) as w:
        w.api.add(pod("web"))
        await w.api.create(budget(minAvailable=0))
        await w.settle(1)

        def granted(one: Any) -> None:
            one.status.disruptedPods = {"web": "2026-01-01T00:00:00Z"}

        def target(one: Any) -> None:
            told = core_v1.PodCondition(type="DisruptionTarget", status="True", reason="EvictionByEvictionAPI")
            told.lastTransitionTime = "2026-01-01T00:00:00Z"
            one.status = core_v1.PodStatus(conditions=[told])

        w.api.change(core_v1.Pod, "web", "a", target)
        w.api.change(policy_v1.PodDisruptionBudget, "web", "a", granted)
        await w.settle(100)
        assert w.told("Pod") == []
        await w.settle(30)
        assert w.told("Pod") == [("Warning", "NotDeleted", "Pod was expected by PDB a/web to be deleted but it wasn't")]
        (condition,) = w.api.peek(core_v1.Pod, "web", "a").status.conditions
        assert (condition.status, condition.reason) == ("False", None)
