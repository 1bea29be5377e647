"""Strategies of the apps group. Source: API reference v1.36."""

from __future__ import annotations

from typing import Any

from sampan.api.strategy.habits import Strategy, keep_labels, spec_changed

GROUP = "apps"


def deployment_changed(new: Any, old: Any) -> bool:
    """Annotations count: a rollback or a change cause is told by them."""
    return spec_changed(new, old) or (new.metadata.annotations or {}) != (old.metadata.annotations or {})


STRATEGIES: dict[str, Strategy] = {
    "DaemonSet": Strategy(generation=True, changed=spec_changed),
    "Deployment": Strategy(generation=True, changed=deployment_changed, status_metadata=keep_labels),
    "ReplicaSet": Strategy(generation=True, changed=spec_changed),
    "StatefulSet": Strategy(generation=True, changed=spec_changed),
}
