"""Strategies of the apps group. Source: API reference v1.36."""

from __future__ import annotations

from typing import Any

from sampan.api.strategy.habits import Strategy, keep_labels, spec_changed

GROUP = "apps"
TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


def deployment_changed(new: Any, old: Any) -> bool:
    """Annotations count: a rollback or a change cause is told by them."""
    return spec_changed(new, old) or (new.metadata.annotations or {}) != (old.metadata.annotations or {})


def create_daemon_set(o: Any) -> None:
    given = (o.metadata.annotations or {}).get(TEMPLATE_GENERATION, "")
    mark_template(o, max(_number(given), 1))


def update_daemon_set(new: Any, old: Any) -> None:
    before = _number((old.metadata.annotations or {}).get(TEMPLATE_GENERATION, ""))
    mark_template(new, before + (new.spec.template != old.spec.template))


def mark_template(o: Any, generation: int) -> None:
    """Which version of its pod template a daemon set is at, as an annotation for old clients."""
    o.metadata.annotations = {**(o.metadata.annotations or {}), TEMPLATE_GENERATION: str(generation)}


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


STRATEGIES: dict[str, Strategy] = {
    "DaemonSet": Strategy(generation=True, changed=spec_changed, create=create_daemon_set, update=update_daemon_set),
    "Deployment": Strategy(generation=True, changed=deployment_changed, status_metadata=keep_labels),
    "ReplicaSet": Strategy(generation=True, changed=spec_changed),
    "StatefulSet": Strategy(generation=True, changed=spec_changed),
}
