"""Defaults of the apps group. Source: API reference v1.36."""

from __future__ import annotations

from typing import Any

from sampan.api.kinds import apps_v1

HISTORY = {"revisionHistoryLimit": 10}
ROLLING = {"type": "RollingUpdate"}

CONSTANTS: dict[str, dict[str, Any]] = {
    "apps_v1.DaemonSetSpec": HISTORY,
    "apps_v1.DaemonSetUpdateStrategy": ROLLING,
    "apps_v1.DeploymentSpec": {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600},
    "apps_v1.DeploymentStrategy": ROLLING,
    "apps_v1.ReplicaSetSpec": {"replicas": 1},
    "apps_v1.RollingUpdateDaemonSet": {"maxUnavailable": 1, "maxSurge": 0},
    "apps_v1.RollingUpdateDeployment": {"maxUnavailable": "25%", "maxSurge": "25%"},
    "apps_v1.RollingUpdateStatefulSetStrategy": {"partition": 0},
    "apps_v1.StatefulSetPersistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
    "apps_v1.StatefulSetSpec": {
        "podManagementPolicy": "OrderedReady",
        "replicas": 1,
        "revisionHistoryLimit": 10,
        "persistentVolumeClaimRetentionPolicy": {},
    },
}


def rolling(struct: Any) -> Any:
    """A strategy that rolls has its parameters."""

    def strategy(o: Any) -> None:
        if o.type == "RollingUpdate" and o.rollingUpdate is None:
            o.rollingUpdate = struct()

    return strategy


def stateful_strategy(o: Any) -> None:
    """Only who names no type gets parameters as well."""
    if not o.type:
        o.type = "RollingUpdate"
        o.rollingUpdate = o.rollingUpdate or apps_v1.RollingUpdateStatefulSetStrategy()


HOOKS = {
    "apps_v1.DaemonSetUpdateStrategy": rolling(apps_v1.RollingUpdateDaemonSet),
    "apps_v1.DeploymentStrategy": rolling(apps_v1.RollingUpdateDeployment),
    "apps_v1.StatefulSetUpdateStrategy": stateful_strategy,
}
