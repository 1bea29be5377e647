"""How `workloads.yaml` has to end, whatever happened on the way: what is wrong, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from sampan.api.kinds import apps_v1, batch_v1, core_v1, discovery_v1, policy_v1, rbac_v1
from sampan.client.interface import Client
from sampan.controllers.defaults import ROOT_CA
from sampan.testing.virtual.slots import ENDED

IMAGE = "sample:2"


async def problems(client: Client, nodes: int) -> list[str]:
    """Empty when all is as it must be."""
    pods = (await client.list(core_v1.Pod, "a")).items
    slices = (await client.list(discovery_v1.EndpointSlice, "a")).items
    return [
        *_pods(pods, nodes),
        *_endpoints(pods, slices),
        *await _jobs(client),
        *await _budget(client),
        *await _rest(client),
    ]


def _pods(pods: list[Any], nodes: int) -> Iterator[str]:
    lasting = [pod for pod in pods if pod.metadata.labels and "app" in pod.metadata.labels]
    for pod in lasting:
        ready = pod.status and any(one.type == "Ready" and one.status == "True" for one in pod.status.conditions or ())
        if not ready or pod.metadata.deletionTimestamp:
            yield f"pod {pod.metadata.name} is not ready"
    counts = Counter(pod.metadata.labels["app"] for pod in lasting)
    wanted = {"web": 8, "plain": 3, "older": 2, "db": 3, "agent": nodes}
    if counts != wanted:
        yield f"there are pods {dict(counts)}, wanted {wanted}"
    if any(pod.spec.containers[0].image != IMAGE for pod in lasting if pod.metadata.labels["app"] in ("web", "db")):
        yield "some pods run the old image"
    names = sorted(pod.metadata.name for pod in lasting if pod.metadata.labels["app"] == "db")
    if names != ["db-0", "db-1", "db-2"]:
        yield f"the StatefulSet's pods are {names}"
    on = Counter(pod.spec.nodeName for pod in lasting if pod.metadata.labels["app"] == "agent")
    if any(count > 1 for count in on.values()):
        yield f"the DaemonSet's pods are on {dict(on)}"


def _endpoints(pods: list[Any], slices: list[Any]) -> Iterator[str]:
    for service, wanted in {
        "front": {pod.status.podIP for pod in pods if (pod.metadata.labels or {}).get("app") == "web"},
        "web": {pod.status.podIP for pod in pods if (pod.metadata.labels or {}).get("app") == "web"},
        "outside": {"192.0.2.10"},
    }.items():
        ours = [one for one in slices if one.metadata.labels.get("kubernetes.io/service-name") == service]
        served = Counter(a for one in ours for point in one.endpoints or () for a in point.addresses)
        if served != Counter(wanted):
            yield f"the endpoints of {service} are {sorted(served.elements())}, wanted {sorted(map(str, wanted))}"


async def _jobs(client: Client) -> list[str]:
    jobs = {job.metadata.name: job for job in (await client.list(batch_v1.Job, "a")).items}
    wrong = []
    total = jobs["sum"].status if "sum" in jobs else None
    if total is None or total.succeeded != 5 or total.completedIndexes != "0-4":
        wrong.append(f"the job sum ended with {total}")
    if "brief" in jobs:
        wrong.append("the job brief is still there, its time to live over")
    finished = [name for name, job in jobs.items() if name.startswith("minutely") and (job.status.succeeded or 0) == 1]
    if len(finished) != 1:
        wrong.append(f"of the CronJob's finished jobs one is kept, not {sorted(finished)}")
    return wrong


async def _budget(client: Client) -> Iterator[str]:
    budget = (await client.get(policy_v1.PodDisruptionBudget, "web", "a")).status
    deployment = (await client.get(apps_v1.Deployment, "web", "a")).status
    quota = (await client.get(core_v1.ResourceQuota, "pods", "a")).status
    pods = [one for one in (await client.list(core_v1.Pod, "a")).items if one.status.phase not in ENDED]

    def wrong() -> Iterator[str]:
        if (budget.currentHealthy, budget.disruptionsAllowed) != (8, 4):
            yield f"the budget counts {budget.currentHealthy} healthy and allows {budget.disruptionsAllowed}"
        if deployment.readyReplicas != 8 or deployment.updatedReplicas != 8:
            yield f"the Deployment's status is {deployment}"
        if quota.used.get("pods") != str(len(pods)):
            yield f"the quota counts {quota.used} of {len(pods)} pods"

    return wrong()


async def _rest(client: Client) -> list[str]:
    wrong = []
    namespaces = {one.metadata.name for one in (await client.list(core_v1.Namespace)).items}
    if "doomed" in namespaces:
        wrong.append("the namespace doomed is still there")
    for kind, name in ((core_v1.ServiceAccount, "default"), (core_v1.ConfigMap, ROOT_CA)):
        if name not in {one.metadata.name for one in (await client.list(kind, "a")).items}:
            wrong.append(f"the namespace has no {name}")
    nodes = (await client.list(core_v1.Node)).items
    balanced = (await client.get(core_v1.Service, "front", "a")).status.loadBalancer
    answered = sorted(one.ip for one in (balanced and balanced.ingress) or ())
    wanted = sorted(one.address for node in nodes for one in node.status.addresses if one.type == "InternalIP")
    if answered != wanted:
        wrong.append(f"the load balancer answers on {answered}, wanted {wanted}")
    whole = await client.get(rbac_v1.ClusterRole, "whole")
    if not whole.rules:
        wrong.append("the aggregated ClusterRole is empty")
    networks = {node.spec.podCIDR for node in nodes}
    if None in networks or len(networks) < len(nodes):
        wrong.append(f"the nodes' networks are {networks}")
    return wrong
