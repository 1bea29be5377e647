"""The PyPI package `kubernetes` against the cluster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .harness import Cluster, until
from .manifests import deployment, script

client = pytest.importorskip("kubernetes.client")


@pytest.fixture
def api(cluster: Cluster) -> Iterator[Any]:
    from kubernetes import config

    made = config.new_client_from_config(str(cluster.kubeconfig))
    yield made
    made.close()


def test_a_deployment_from_creation_to_deletion(cluster: Cluster, api: Any, namespace: str) -> None:
    apps, core = client.AppsV1Api(api), client.CoreV1Api(api)
    apps.create_namespaced_deployment(namespace, deployment("web", replicas=2))
    until(lambda: apps.read_namespaced_deployment("web", namespace).status.ready_replicas == 2, "2 are ready")
    apps.patch_namespaced_deployment_scale("web", namespace, {"spec": {"replicas": 1}})
    until(lambda: len(core.list_namespaced_pod(namespace, label_selector="app=web").items) == 1, "1 is left")
    apps.delete_namespaced_deployment("web", namespace)
    until(lambda: not core.list_namespaced_pod(namespace).items, "the pod is gone")
    with pytest.raises(client.ApiException) as error:
        apps.read_namespaced_deployment("web", namespace)
    assert error.value.status == 404


def test_watch_and_log(cluster: Cluster, api: Any, namespace: str) -> None:
    from kubernetes import watch

    core = client.CoreV1Api(api)
    core.create_namespaced_pod(namespace, script("short", "echo done"))
    phases = []
    stream = watch.Watch()
    for event in stream.stream(core.list_namespaced_pod, namespace, timeout_seconds=60):
        phases.append(event["object"].status.phase)
        if phases[-1] == "Succeeded":
            stream.stop()
    assert phases[0] == "Pending" and phases[-1] == "Succeeded"
    response = core.read_namespaced_pod_log("short", namespace, _preload_content=False)
    assert response.data == b"done\n"
