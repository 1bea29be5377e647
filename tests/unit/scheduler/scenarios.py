"""Scenario files: what is in the cluster, what happens, and where each pod must then be or what it must be told.

A file is a line or more of prose, then sections that begin with `--- name`, all YAML:

* `given`, `then`: objects to add, in shorthand (below); `{delete: pod/x}` deletes, `{wait: seconds}` waits,
  `{finish: x}` ends a pod.
* `expect`: for each pod a node's name, a list of nodes of which any will do, or `{message: text}`; also
  `{nominated: node}` and `gone`.
* `event`: a list of texts `pod reason: message`, each of which must have been said.

Shorthand: `{node: a, cpu: 2, memory: 4Gi, pods: 10, labels: {}, taints: ["k=v:NoSchedule"], unschedulable: true,
images: {name: bytes}}`, `{pod: p, at: a, cpu: 1, memory: 1Gi, labels: {}, priority: 5, phase: Running, nominated: a,
gates: [g], ports: [80], image: i, spec: {...}}`, `{namespace: n, labels: {}}`, `{budget: b, selector: {}, allowed: 0}`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from sampan.api.kinds import core_v1, policy_v1
from sampan.codec import yaml

DIRECTORY = Path(__file__).parents[2] / "scenarios" / "scheduler"


def files() -> list[Path]:
    return sorted(DIRECTORY.glob("*.txt"))


def sections(path: Path) -> Iterator[tuple[str, Any]]:
    """Each section's name and value, in order."""
    for part in path.read_text().split("\n--- ")[1:]:
        name, _, body = part.partition("\n")
        yield name.strip(), yaml.decode(body)


def objects(entry: dict[str, Any]) -> Any:
    """The API object that a shorthand means."""
    makers = {"node": node, "pod": pod, "namespace": namespace, "budget": budget}
    kind = next(kind for kind in makers if kind in entry)
    return makers[kind](entry)


def node(entry: dict[str, Any]) -> Any:
    name = entry["node"]
    resources = {key: entry[key] for key in entry if key in ("cpu", "memory", "ephemeral-storage") or "/" in key}
    allocatable = {"cpu": 4, "memory": "8Gi", "pods": entry.get("pods", 110), **resources}
    images = [{"names": [image], "sizeBytes": size} for image, size in entry.get("images", {}).items()]
    return msgspec.convert(
        {
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **entry.get("labels", {})}},
            "spec": {
                "taints": [taint(text) for text in entry.get("taints", [])],
                "unschedulable": entry.get("unschedulable"),
            },
            "status": {"allocatable": allocatable, "images": images},
        },
        core_v1.Node,
    )


def taint(text: str) -> dict[str, str]:
    pair, _, effect = text.rpartition(":")
    key, _, value = pair.partition("=")
    return {"key": key, "value": value, "effect": effect}


def pod(entry: dict[str, Any]) -> Any:
    requests = {key: entry[key] for key in entry if key in ("cpu", "memory") or "/" in key}
    container = {
        "name": "main",
        "image": entry.get("image", "app"),
        "resources": {"requests": requests},
        "ports": [{"containerPort": port, "hostPort": port, "protocol": "TCP"} for port in entry.get("ports", [])],
    }
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "o", "uid": entry.get("owner"), "controller": True}
    return msgspec.convert(
        {
            "metadata": {
                "name": entry["pod"],
                "namespace": entry.get("in", "default"),
                "labels": entry.get("labels", {}),
                "ownerReferences": [owner] if "owner" in entry else None,
            },
            "spec": {
                "schedulerName": "default-scheduler",
                "containers": [container],
                "nodeName": entry.get("at"),
                "priority": entry.get("priority"),
                "schedulingGates": [{"name": gate} for gate in entry.get("gates", [])] or None,
                **entry.get("spec", {}),
            },
            "status": {
                "phase": entry.get("phase", "Running" if "at" in entry else "Pending"),
                "startTime": entry.get("started"),
                "nominatedNodeName": entry.get("nominated"),
            },
        },
        core_v1.Pod,
    )


def namespace(entry: dict[str, Any]) -> Any:
    meta = {"name": entry["namespace"], "labels": entry.get("labels", {})}
    return msgspec.convert({"metadata": meta}, core_v1.Namespace)


def budget(entry: dict[str, Any]) -> Any:
    return msgspec.convert(
        {
            "metadata": {"name": entry["budget"], "namespace": entry.get("in", "default")},
            "spec": {"selector": {"matchLabels": entry["selector"]}},
            "status": {"disruptionsAllowed": entry["allowed"]},
        },
        policy_v1.PodDisruptionBudget,
    )
