"""What people see of the kinds they look at most, object by object."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sampan.api import registry
from sampan.codec import table

BUILTIN = registry.builtin()
NOW = 1_767_225_600.0 + 3600 * 5  # five hours into 2026
CREATED = "2026-01-01T00:00:00Z"
TEMPLATE = {"spec": {"containers": [{"name": "a", "image": "i:1"}, {"name": "b", "image": "j"}]}}
SELECTOR = {"matchLabels": {"app": "x"}}
NODE_STATUS = {
    "conditions": [{"type": "Ready", "status": "True"}],
    "addresses": [{"type": "Hostname", "address": "n"}, {"type": "InternalIP", "address": "10.0.0.1"}],
    "nodeInfo": {"kubeletVersion": "v1.36.0", "osImage": "Debian", "containerRuntimeVersion": "containerd://2"},
}
METRICS = [
    {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}},
    {"type": "Pods", "pods": {"metric": {"name": "q"}, "target": {"type": "AverageValue", "averageValue": "1k"}}},
    {"type": "External", "external": {"metric": {"name": "e"}, "target": {"type": "Value", "value": "3"}}},
]

CASES: list[tuple[str, str, str, dict[str, Any], list[Any]]] = [
    (
        "deployment",
        "apps/v1",
        "Deployment",
        {
            "spec": {"replicas": 3, "selector": SELECTOR, "template": TEMPLATE},
            "status": {"readyReplicas": 2, "updatedReplicas": 1, "availableReplicas": 2},
        },
        ["x", "2/3", 1, 2, "5h", "a,b", "i:1,j", "app=x"],
    ),
    (
        "daemon set",
        "apps/v1",
        "DaemonSet",
        {
            "spec": {
                "selector": SELECTOR,
                "template": {"spec": TEMPLATE["spec"] | {"nodeSelector": {"z": "1", "a": "2"}}},
            },
            "status": {"desiredNumberScheduled": 2, "currentNumberScheduled": 2, "numberReady": 1},
        },
        ["x", 2, 2, 1, 0, 0, "a=2,z=1", "5h", "a,b", "i:1,j", "app=x"],
    ),
    (
        "revision",
        "apps/v1",
        "ControllerRevision",
        {
            "metadata": {
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "w", "controller": True}]
            },
            "revision": 3,
        },
        ["x", "statefulset.apps/w", 3, "5h"],
    ),
    (
        "running job",
        "batch/v1",
        "Job",
        {
            "spec": {"completions": 5, "template": TEMPLATE},
            "status": {"succeeded": 2, "startTime": "2026-01-01T04:58:00Z"},
        },
        ["x", "Running", "2/5", "2m", "5h", "a,b", "i:1,j", "<none>"],
    ),
    (
        "work queue job",
        "batch/v1",
        "Job",
        {
            "spec": {"parallelism": 3, "template": TEMPLATE},
            "status": {
                "succeeded": 1,
                "startTime": CREATED,
                "completionTime": "2026-01-01T00:00:30Z",
                "conditions": [{"type": "Complete", "status": "True"}],
            },
        },
        ["x", "Complete", "1/1 of 3", "30s", "5h", "a,b", "i:1,j", "<none>"],
    ),
    (
        "node port",
        "v1",
        "Service",
        {
            "spec": {
                "type": "NodePort",
                "clusterIPs": ["10.96.0.7"],
                "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}],
                "selector": {"app": "x"},
            }
        },
        ["x", "NodePort", "10.96.0.7", "<none>", "80:30080/TCP,53/UDP", "5h", "app=x"],
    ),
    (
        "load balancer that waits",
        "v1",
        "Service",
        {"spec": {"type": "LoadBalancer", "clusterIPs": ["10.96.0.7"]}},
        ["x", "LoadBalancer", "10.96.0.7", "<pending>", "<none>", "5h", "<none>"],
    ),
    (
        "load balancer",
        "v1",
        "Service",
        {
            "spec": {"type": "LoadBalancer", "externalIPs": ["9.9.9.9"]},
            "status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}, {"hostname": "h"}]}},
        },
        ["x", "LoadBalancer", "<none>", "1.2.3.4,h,9.9.9.9", "<none>", "5h", "<none>"],
    ),
    (
        "external name",
        "v1",
        "Service",
        {"spec": {"type": "ExternalName", "externalName": "a.example"}},
        ["x", "ExternalName", "<none>", "a.example", "<none>", "5h", "<none>"],
    ),
    (
        "node",
        "v1",
        "Node",
        {
            "metadata": {"labels": {"node-role.kubernetes.io/worker": "", "kubernetes.io/role": "edge"}},
            "spec": {"unschedulable": True},
            "status": NODE_STATUS,
        },
        [
            "x",
            "Ready,SchedulingDisabled",
            "edge,worker",
            "5h",
            "v1.36.0",
            "10.0.0.1",
            "<none>",
            "Debian",
            "<unknown>",
            "containerd://2",
        ],
    ),
    (
        "bound volume claim",
        "v1",
        "PersistentVolumeClaim",
        {
            "spec": {"volumeName": "v", "volumeMode": "Filesystem"},
            "status": {
                "phase": "Bound",
                "capacity": {"storage": "1024Mi"},
                "accessModes": ["ReadWriteMany", "ReadWriteOnce"],
            },
        },
        ["x", "Bound", "v", "1Gi", "RWO,RWX", "", "<unset>", "5h", "Filesystem"],
    ),
    (
        "quota",
        "v1",
        "ResourceQuota",
        {"status": {"hard": {"pods": "4", "limits.cpu": "2", "cpu": "1"}, "used": {"pods": "1", "cpu": "500m"}}},
        ["x", "cpu: 500m/1, pods: 1/4", "limits.cpu: 0/2", "5h"],
    ),
    (
        "endpoints",
        "v1",
        "Endpoints",
        {"subsets": [{"addresses": [{"ip": "1.1.1.1"}, {"ip": "::1"}], "ports": [{"port": 80}, {"port": 81}]}]},
        ["x", "1.1.1.1:80,[::1]:80,1.1.1.1:81 + 1 more...", "5h"],
    ),
    ("no endpoints", "v1", "Endpoints", {}, ["x", "<none>", "5h"]),
    (
        "endpoint slice",
        "discovery.k8s.io/v1",
        "EndpointSlice",
        {
            "addressType": "IPv4",
            "ports": [{"port": 80}, {"name": "any"}, {}],
            "endpoints": [{"addresses": ["1.1.1.1"]}],
        },
        ["x", "IPv4", "80,any,*", "1.1.1.1", "5h"],
    ),
    (
        "autoscaler",
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        {
            "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "d"}, "maxReplicas": 4, "metrics": METRICS},
            "status": {
                "currentReplicas": 2,
                "currentMetrics": [
                    {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 12}}}
                ],
            },
        },
        ["x", "Deployment/d", "cpu: 12%/80%, <unknown>/1k + 1 more...", "<unset>", 4, 2, "5h"],
    ),
    (
        "autoscaler of version 1",
        "autoscaling/v1",
        "HorizontalPodAutoscaler",
        {"spec": {"scaleTargetRef": {"kind": "Deployment", "name": "d"}, "targetCPUUtilizationPercentage": 50}},
        ["x", "Deployment/d", "cpu: <unknown>/50%", "<unset>", 0, 0, "5h"],
    ),
    (
        "old event",
        "v1",
        "Event",
        {
            "firstTimestamp": "2026-01-01T04:00:00Z",
            "lastTimestamp": "2026-01-01T04:59:00Z",
            "count": 3,
            "type": "Warning",
            "reason": "Failed",
            "message": " no ",
            "involvedObject": {"kind": "Pod", "name": "p", "fieldPath": "spec"},
            "source": {"component": "kubelet", "host": "n1"},
        },
        ["60s", "Warning", "Failed", "pod/p", "spec", "kubelet, n1", "no", "60m", 3, "x"],
    ),
    (
        "new event",
        "events.k8s.io/v1",
        "Event",
        {
            "eventTime": "2026-01-01T04:00:00.000000Z",
            "series": {"count": 7, "lastObservedTime": "2026-01-01T04:59:50.000000Z"},
            "reportingController": "scheduler",
            "regarding": {"kind": "Node"},
        },
        ["10s", "", "", "node", "", "scheduler", "", "60m", 7, "x"],
    ),
    (
        "default storage class",
        "storage.k8s.io/v1",
        "StorageClass",
        {"metadata": {"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}, "provisioner": "p"},
        ["x (default)", "p", "Delete", "Immediate", False, "5h"],
    ),
    (
        "ingress",
        "networking.k8s.io/v1",
        "Ingress",
        {
            "spec": {"rules": [{"host": h} for h in "abcd"]},
            "status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}},
        },
        ["x", "<none>", "a,b,c + 1 more...", "1.2.3.4", "80", "5h"],
    ),
    (
        "signing request",
        "certificates.k8s.io/v1",
        "CertificateSigningRequest",
        {
            "spec": {"signerName": "s", "username": "u", "expirationSeconds": 86400},
            "status": {"conditions": [{"type": "Approved"}], "certificate": "eA=="},
        },
        ["x", "5h", "s", "u", "24h", "Approved,Issued"],
    ),
    (
        "binding",
        "rbac.authorization.k8s.io/v1",
        "ClusterRoleBinding",
        {
            "roleRef": {"kind": "ClusterRole", "name": "view"},
            "subjects": [
                {"kind": "User", "name": "u"},
                {"kind": "User", "name": "w"},
                {"kind": "ServiceAccount", "name": "sa", "namespace": "ns"},
            ],
        },
        ["x", "ClusterRole/view", "5h", "u, w", "", "ns/sa"],
    ),
    (
        "flow schema",
        "flowcontrol.apiserver.k8s.io/v1",
        "FlowSchema",
        {
            "spec": {"priorityLevelConfiguration": {"name": "p"}, "matchingPrecedence": 7},
            "status": {"conditions": [{"type": "Dangling", "status": "False"}]},
        },
        ["x", "p", 7, "<none>", "5h", "False"],
    ),
]


@pytest.mark.parametrize(("api_version", "name", "fields", "cells"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_cells(api_version: str, name: str, fields: dict[str, Any], cells: list[Any]) -> None:
    kind = BUILTIN.kind(api_version, name)
    metadata = {"name": "x", "creationTimestamp": CREATED} | fields.get("metadata", {})
    assert table.row(kind, kind.decode(json.dumps(fields | {"metadata": metadata})), NOW) == cells
