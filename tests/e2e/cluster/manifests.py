"""The objects that tests apply, as plain JSON values."""

from __future__ import annotations

from typing import Any

SAMPLE = "sampan.dev/sample:1"


def deployment(name: str, *, replicas: int = 3, image: str = SAMPLE, **pod: Any) -> dict[str, Any]:
    """A Deployment of the sample, each pod ready once it answers."""
    labels = {"app": name}
    container = {
        "name": "web",
        "image": image,
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1, "failureThreshold": 1},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": dict(labels)},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": dict(labels)},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container], **pod}},
        },
    }


def service(name: str, **spec: Any) -> dict[str, Any]:
    """A Service of that Deployment's pods on port 80."""
    ports = [{"name": "http", "port": 80, "targetPort": "http"}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"type": "NodePort", "selector": {"app": name}, "ports": ports, **spec},
    }


def script(name: str, command: str, **spec: Any) -> dict[str, Any]:
    """A pod that runs a shell command once."""
    container = {"name": "script", "image": SAMPLE, "command": ["sh", "-c", command], **spec.pop("container", {})}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "containers": [container], **spec},
    }
