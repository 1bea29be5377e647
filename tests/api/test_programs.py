"""Programs we did not write: `kubernetes`, `lightkube` and kubectl, over controllers and simulated nodes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import lightkube
import pytest
from kubernetes import client, config, watch
from lightkube.models.apps_v1 import DeploymentSpec
from lightkube.models.core_v1 import Container, PodSpec, PodTemplateSpec
from lightkube.models.meta_v1 import LabelSelector, ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Pod
from lightkube.types import CascadeType, PatchType

from sampan.testing import Behaviour, Cluster, cluster

QUICK = Behaviour(start_seconds=0.1, stop_seconds=0.1)


@pytest.fixture(scope="module")
def running() -> Iterator[Cluster]:
    with cluster(nodes=3, process=True, behaviour=QUICK) as made:
        yield made


def get(running: Cluster, *what: str) -> Any:
    return json.loads(running.kubectl("get", *what, "-o", "json").stdout)


def live(running: Cluster, labels: str) -> list[Any]:
    return [one for one in get(running, "pods", "-l", labels)["items"] if "deletionTimestamp" not in one["metadata"]]


def test_kubernetes_rolls_a_deployment_out_and_watches_it(running: Cluster) -> None:
    api = client.AppsV1Api(config.new_client_from_config(str(running.kubeconfig)))
    template = {"metadata": {"labels": {"app": "k"}}, "spec": {"containers": [{"name": "c", "image": "x:1"}]}}
    spec = {"replicas": 3, "selector": {"matchLabels": {"app": "k"}}, "template": template}
    api.create_namespaced_deployment("default", {"metadata": {"name": "k"}, "spec": spec})
    ready = 0
    for event in watch.Watch().stream(api.list_namespaced_deployment, "default", label_selector="", timeout_seconds=60):
        if event["object"].metadata.name == "k" and event["object"].status.ready_replicas == 3:
            ready = 3
            break
    assert ready == 3
    api.patch_namespaced_deployment_scale("k", "default", {"spec": {"replicas": 1}})
    running.kubectl("rollout", "status", "deployment/k", "--timeout=60s")
    assert len(live(running, "app=k")) == 1
    api.delete_namespaced_deployment("k", "default", propagation_policy="Foreground")
    running.kubectl("wait", "deployment/k", "--for=delete", "--timeout=60s")
    api.api_client.close()


def test_lightkube_creates_waits_patches_applies_and_deletes(running: Cluster) -> None:
    kube = lightkube.KubeConfig.from_file(str(running.kubeconfig))
    with lightkube.Client(config=kube.get(), field_manager="tests") as lk:
        pod = PodTemplateSpec(
            metadata=ObjectMeta(labels={"app": "l"}), spec=PodSpec(containers=[Container(name="c", image="x:1")])
        )
        spec = DeploymentSpec(replicas=2, selector=LabelSelector(matchLabels={"app": "l"}), template=pod)
        lk.create(Deployment(metadata=ObjectMeta(name="l", namespace="default"), spec=spec))
        lk.wait(Deployment, "l", for_conditions=["Available"])
        lk.patch(Deployment, "l", {"spec": {"replicas": 4}}, patch_type=PatchType.MERGE)
        running.kubectl("rollout", "status", "deployment/l", "--timeout=60s")
        assert len([one for one in lk.list(Pod, labels={"app": "l"}) if one.status.phase == "Running"]) == 4
        applied = Deployment(metadata=ObjectMeta(name="l", namespace="default", labels={"by": "lightkube"}), spec=spec)
        assert lk.apply(applied, force=True).metadata.labels["by"] == "lightkube"
        lk.delete(Deployment, "l", cascade=CascadeType.FOREGROUND)
        running.kubectl("wait", "pods", "-l", "app=l", "--for=delete", "--timeout=60s")


def test_rollout_history_undo_pause_resume_restart(running: Cluster) -> None:
    kubectl = running.kubectl
    kubectl("create", "deployment", "r", "--image=x:1", "--replicas=2")
    kubectl("rollout", "status", "deployment/r", "--timeout=60s")
    kubectl("rollout", "pause", "deployment/r")
    kubectl("set", "image", "deployment/r", "x=x:2")
    assert {one["spec"]["containers"][0]["image"] for one in live(running, "app=r")} == {"x:1"}
    kubectl("rollout", "resume", "deployment/r")
    kubectl("rollout", "status", "deployment/r", "--timeout=60s")
    assert {one["spec"]["containers"][0]["image"] for one in live(running, "app=r")} == {"x:2"}
    kubectl("rollout", "restart", "deployment/r")
    kubectl("rollout", "status", "deployment/r", "--timeout=60s")
    history = kubectl("rollout", "history", "deployment/r").stdout.split()
    assert {"1", "2", "3"} <= set(history)
    kubectl("rollout", "undo", "deployment/r", "--to-revision=1")
    kubectl("rollout", "status", "deployment/r", "--timeout=60s")
    assert {one["spec"]["containers"][0]["image"] for one in live(running, "app=r")} == {"x:1"}


def test_drain_respects_a_budget_and_uncordon_brings_back(running: Cluster) -> None:
    kubectl = running.kubectl
    kubectl("create", "deployment", "d", "--image=x", "--replicas=6")
    kubectl("create", "poddisruptionbudget", "d", "--selector=app=d", "--min-available=4")
    kubectl("rollout", "status", "deployment/d", "--timeout=60s")
    kubectl("cordon", "node-0")
    assert get(running, "node", "node-0")["spec"]["unschedulable"]
    kubectl("drain", "node-0", "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=90s")
    kubectl("rollout", "status", "deployment/d", "--timeout=60s")
    assert "node-0" not in {one["spec"]["nodeName"] for one in live(running, "app=d")}
    kubectl("uncordon", "node-0")
    assert "unschedulable" not in get(running, "node", "node-0")["spec"]


def test_create_job_and_from_a_cron_job(running: Cluster) -> None:
    kubectl = running.kubectl
    kubectl("create", "job", "plain", "--image=x")
    kubectl("create", "cronjob", "c", "--image=x", "--schedule=0 3 * * *")
    kubectl("create", "job", "now", "--from=cronjob/c")
    for job in ("plain", "now"):
        kubectl("wait", "pods", "-l", f"job-name={job}", "--for=condition=Ready", "--timeout=60s")
    owner = get(running, "job", "now")["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["name"]) == ("CronJob", "c")


@pytest.mark.parametrize(("cascade", "left"), [("background", 0), ("foreground", 0), ("orphan", 2)])
def test_delete_in_every_cascade(running: Cluster, cascade: str, left: int) -> None:
    kubectl, name = running.kubectl, f"x-{cascade}"
    kubectl("create", "deployment", name, "--image=x", "--replicas=2")
    kubectl("rollout", "status", f"deployment/{name}", "--timeout=60s")
    kubectl("delete", "deployment", name, f"--cascade={cascade}", "--timeout=60s")
    if not left:
        kubectl("wait", "pods", "-l", f"app={name}", "--for=delete", "--timeout=60s")
    assert len(live(running, f"app={name}")) == left


SETS = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: s}
spec:
  selector: {matchLabels: {app: s}}
  template: {metadata: {labels: {app: s}}, spec: {containers: [{name: c, image: x}]}}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: s}
spec:
  selector: {matchLabels: {app: t}}
  template: {metadata: {labels: {app: t}}, spec: {containers: [{name: c, image: x}]}}
---
apiVersion: v1
kind: ReplicationController
metadata: {name: s}
spec:
  selector: {app: u}
  template: {metadata: {labels: {app: u}}, spec: {containers: [{name: c, image: x}]}}
"""


def test_scale_of_every_kind(running: Cluster) -> None:
    kubectl = running.kubectl
    kubectl("apply", "-f", "-", stdin=SETS)
    every = ("statefulset/s", "replicaset/s", "replicationcontroller/s")
    kubectl("scale", *every, "--replicas=3")
    for name in every:
        kubectl("wait", name, "--for=jsonpath={.status.readyReplicas}=3", "--timeout=60s")
    kubectl("scale", *every, "--current-replicas=3", "--replicas=1")
    for name in every:
        kubectl("wait", name, "--for=jsonpath={.status.replicas}=1", "--timeout=60s")
    kubectl("delete", *every, "--cascade=foreground", "--timeout=60s")
    assert [one for label in "stu" for one in live(running, f"app={label}")] == []


def test_an_owner_that_is_not_there_is_none(running: Cluster) -> None:
    kubectl = running.kubectl
    kubectl("create", "configmap", "owner", "-n", "kube-public")
    uid = get(running, "configmap", "owner", "-n", "kube-public")["metadata"]["uid"]
    for name, owner in (("elsewhere", uid), ("absent", "never")):
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner}
        meta = {"name": name, "ownerReferences": [reference]}
        made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta}
        kubectl("create", "-f", "-", stdin=json.dumps(made))
    kubectl("wait", "configmap/elsewhere", "configmap/absent", "--for=delete", "--timeout=60s")
    kubectl("wait", "events", "--for=create", "--field-selector=reason=OwnerRefInvalidNamespace", "--timeout=60s")


def test_a_load_balancer_is_answered_on_the_nodes(running: Cluster) -> None:
    running.kubectl("create", "service", "loadbalancer", "lb", "--tcp=80")
    running.kubectl("wait", "service/lb", "--for=jsonpath={.status.loadBalancer.ingress[2].ip}", "--timeout=60s")
