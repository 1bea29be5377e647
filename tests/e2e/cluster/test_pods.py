"""What a pod's containers find: order, environment, files, limits; and how they end."""

from __future__ import annotations

import json
from typing import Any

from .harness import Cluster, until
from .manifests import SAMPLE, script


def finished(cluster: Cluster, name: str) -> str:
    """The pod's log once it has succeeded."""
    until(lambda: cluster.get("pod", name)["status"]["phase"] == "Succeeded", f"{name} has run")
    return cluster.kubectl("logs", name).stdout


def test_configuration_reaches_the_container(cluster: Cluster, namespace: str) -> None:
    cluster.kubectl("create", "configmap", "settings", "--from-literal=color=blue", "--from-literal=size=9")
    cluster.kubectl("create", "secret", "generic", "password", "--from-literal=word=hush")
    volumes: list[dict[str, Any]] = [
        {"name": "settings", "configMap": {"name": "settings"}},
        {"name": "password", "secret": {"secretName": "password", "defaultMode": 256}},
        {"name": "scratch", "emptyDir": {"medium": "Memory"}},
        {"name": "host", "hostPath": {"path": "/etc/debian_version", "type": "File"}},
    ]
    container = {
        "env": [
            {"name": "COLOR", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "color"}}},
            {"name": "WORD", "valueFrom": {"secretKeyRef": {"name": "password", "key": "word"}}},
            {"name": "ME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "BOTH", "value": "$(COLOR)-$(ME)"},
            {"name": "LIMIT", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory"}}},
        ],
        "envFrom": [{"prefix": "S_", "configMapRef": {"name": "settings"}}],
        "resources": {"limits": {"memory": "32Mi", "cpu": "100m"}},
        "volumeMounts": [
            {"name": "settings", "mountPath": "/settings"},
            {"name": "password", "mountPath": "/password", "readOnly": True},
            {"name": "scratch", "mountPath": "/scratch"},
            {"name": "host", "mountPath": "/host", "readOnly": True},
        ],
    }
    commands = "; ".join(
        [
            "echo $BOTH $WORD $S_size $LIMIT",
            "cat /settings/color; echo",
            "stat -Lc %a /password/word",
            "echo x > /scratch/x && grep -c ' /scratch tmpfs ' /proc/mounts",
            "test -s /host && echo host",
            "echo $KUBERNETES_SERVICE_HOST",
        ]
    )
    cluster.apply(script("reader", commands, container=container, volumes=volumes))
    lines = finished(cluster, "reader").splitlines()
    assert lines == ["blue-reader hush 9 33554432", "blue", "400", "1", "host", "10.96.0.1"]


def test_init_containers_run_in_order_and_first(cluster: Cluster, namespace: str) -> None:
    mount = {"volumeMounts": [{"name": "work", "mountPath": "/work"}], "image": SAMPLE}
    inits = [
        {"name": f"init-{n}", "command": ["sh", "-c", f"echo {n} >> /work/order"], **mount} for n in ("one", "two")
    ]
    volumes = [{"name": "work", "emptyDir": {}}]
    cluster.apply(script("ordered", "cat /work/order", container=mount, initContainers=inits, volumes=volumes))
    assert finished(cluster, "ordered") == "one\ntwo\n"


def test_a_failing_container_backs_off(cluster: Cluster, namespace: str) -> None:
    cluster.apply(script("failing", "exit 3", restartPolicy="Always"))

    def crashing() -> bool:
        status = cluster.get("pod", "failing")["status"]["containerStatuses"][0]
        reason = status["state"].get("waiting", {}).get("reason")
        return reason == "CrashLoopBackOff" and status["lastState"]["terminated"]["exitCode"] == 3

    until(crashing, "CrashLoopBackOff")
    assert "Back-off restarting failed container" in cluster.kubectl("describe", "pod", "failing").stdout


def test_a_pod_that_fits_nowhere_says_why(cluster: Cluster, namespace: str) -> None:
    cluster.apply(script("huge", "true", container={"resources": {"requests": {"cpu": "1000"}}}))
    until(lambda: "FailedScheduling" in cluster.kubectl("describe", "pod", "huge").stdout, "a FailedScheduling event")
    assert "0/1 nodes are available: 1 Insufficient cpu" in cluster.kubectl("describe", "pod", "huge").stdout


def test_headless_names_and_outside_names_are_answered(cluster: Cluster, namespace: str) -> None:
    from .manifests import deployment, service

    cluster.apply(deployment("web", replicas=2), service("web", type="ClusterIP", clusterIP="None"))
    pods = cluster.ready_pods("app=web", 2)
    cluster.apply(script("resolver", f"nslookup web.{namespace}.svc.cluster.local; cat /etc/resolv.conf"))
    text = finished(cluster, "resolver")
    assert all(pod["status"]["podIP"] in text for pod in pods)
    assert f"search {namespace}.svc.cluster.local svc.cluster.local cluster.local" in text
    assert "nameserver 10.96.0.10" in text and "options ndots:5" in text


def test_grace_is_given_before_the_kill(cluster: Cluster, namespace: str) -> None:
    pod = script("polite", "trap 'exit 0' TERM; while :; do sleep 0.1; done", terminationGracePeriodSeconds=30)
    cluster.apply(pod)
    until(lambda: cluster.get("pod", "polite")["status"]["phase"] == "Running", "it runs")
    cluster.kubectl("delete", "pod", "polite", "--timeout=15s")


def test_a_pod_is_resized_where_it_runs(cluster: Cluster, namespace: str) -> None:
    amounts = {"requests": {"cpu": "50m", "memory": "16Mi"}, "limits": {"memory": "32Mi"}}
    cluster.apply(script("grows", "sleep 1000", container={"resources": amounts}))
    until(lambda: cluster.get("pod", "grows")["status"]["phase"] == "Running", "grows runs")

    def ask(cpu: str, memory: str) -> None:
        wanted = {"requests": {"cpu": cpu}, "limits": {"memory": memory}}
        patch = {"spec": {"containers": [{"name": "script", "resources": wanted}]}}
        cluster.kubectl("patch", "pod", "grows", "--subresource", "resize", "-p", json.dumps(patch))

    ask("70m", "48Mi")
    status = until(lambda: resized(cluster, "48Mi"), "grows has grown")
    assert status["restartCount"] == 0
    assert status["resources"]["requests"] == {"cpu": "70m", "memory": "16Mi"}
    assert status["allocatedResources"]["cpu"] == "70m"


def resized(cluster: Cluster, memory: str) -> Any:
    """The container's status once its memory limit is that."""
    status = cluster.get("pod", "grows")["status"]["containerStatuses"][0]
    return status if status["resources"]["limits"]["memory"] == memory else None
