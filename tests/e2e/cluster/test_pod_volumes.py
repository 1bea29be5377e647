"""Volumes through the real API server: what a node may read and watch, and how soon a change shows."""

from __future__ import annotations

from typing import Any

from .harness import Cluster, until
from .manifests import script


def manifest(kind: str, name: str, version: str = "v1", **fields: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **fields}


def test_a_change_of_a_config_map_and_a_secret_shows(cluster: Cluster, namespace: str) -> None:
    cluster.apply(
        manifest("ConfigMap", "settings", data={"color": "blue"}),
        manifest("Secret", "keys", stringData={"key": "one"}),
    )
    volumes = [{"name": "cm", "configMap": {"name": "settings"}}, {"name": "s", "secret": {"secretName": "keys"}}]
    mounts = [{"name": "cm", "mountPath": "/cm"}, {"name": "s", "mountPath": "/s"}]
    wait = "until grep -q red /cm/color && grep -q two /s/key; do sleep 0.1; done; echo changed"
    pod = script("shows", f"cat /cm/color /s/key; echo; {wait}", container={"volumeMounts": mounts})
    pod["spec"]["volumes"] = volumes
    cluster.apply(pod)
    until(lambda: cluster.kubectl("logs", "shows", check=False).stdout == "blueone\n", "the first content")
    cluster.apply(
        manifest("ConfigMap", "settings", data={"color": "red"}),
        manifest("Secret", "keys", stringData={"key": "two"}),
    )
    until(lambda: "changed" in cluster.kubectl("logs", "shows").stdout, "the changed content", seconds=20)


def test_a_claim_that_is_bound_already(cluster: Cluster, namespace: str) -> None:
    disk = cluster.data_dir / f"disk-{namespace}"
    disk.mkdir()
    node = cluster.get("nodes")["items"][0]["metadata"]["labels"]["kubernetes.io/hostname"]
    term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}
    storage = {"accessModes": ["ReadWriteOnce"], "storageClassName": ""}
    cluster.apply(
        manifest(
            "PersistentVolumeClaim",
            "data",
            spec={**storage, "volumeName": namespace, "resources": {"requests": {"storage": "1Mi"}}},
        )
    )
    claim = cluster.get("pvc", "data")["metadata"]
    reference = {"name": "data", "namespace": namespace, "uid": claim["uid"]}
    cluster.apply(
        manifest(
            "PersistentVolume",
            namespace,
            spec={
                **storage,
                "capacity": {"storage": "1Mi"},
                "local": {"path": str(disk)},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [term]}},
                "claimRef": reference,
            },
        )
    )
    bound = '{"status":{"phase":"Bound"}}'
    cluster.kubectl("patch", "pvc", "data", "--subresource=status", "--type=merge", "-p", bound)
    pod = script("writer", "echo kept > /v/file", container={"volumeMounts": [{"name": "v", "mountPath": "/v"}]})
    pod["spec"]["volumes"] = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]
    cluster.apply(pod)
    until(lambda: cluster.get("pod", "writer")["status"].get("phase") == "Succeeded", "the pod has run")
    cluster.kubectl("delete", "pod", "writer")
    assert (disk / "file").read_text() == "kept\n"
    cluster.kubectl("delete", "pv", namespace, "--wait=false")
