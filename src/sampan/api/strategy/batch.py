"""Strategies of the batch group. Source: API reference v1.36; concepts, "Jobs"."""

from __future__ import annotations

from typing import Any

from sampan.api.kinds import core_v1, meta_v1
from sampan.api.strategy.habits import Strategy, spec_changed

GROUP = "batch"
PREFIX = "batch.kubernetes.io/"


def create_job(o: Any) -> None:
    """Unless told to leave it, a Job selects its pods by its own uid."""
    if not o.spec.manualSelector:
        generate_selector(o)


def generate_selector(o: Any) -> None:
    template = o.spec.template or core_v1.PodTemplateSpec()
    template.metadata = template.metadata or meta_v1.ObjectMeta()
    given = o.metadata.labels is not None and o.metadata.labels is template.metadata.labels
    shared = given and not o.metadata.generateName  # upstream copies an object whose name it makes up
    labels = dict(template.metadata.labels or {})
    uid, name = o.metadata.uid or "", o.metadata.name or ""
    wanted = {
        "controller-uid": uid,
        "job-name": name,
        f"{PREFIX}controller-uid": uid,
        f"{PREFIX}job-name": name,
    }
    template.metadata.labels = {**wanted, **labels}
    if shared:
        o.metadata.labels = dict(template.metadata.labels)
    o.spec.template = template
    selector = o.spec.selector or meta_v1.LabelSelector()
    selector.matchLabels = {f"{PREFIX}controller-uid": uid, **(selector.matchLabels or {})}
    o.spec.selector = selector


STRATEGIES: dict[str, Strategy] = {
    "CronJob": Strategy(generation=True, changed=spec_changed),
    "Job": Strategy(generation=True, changed=spec_changed, create=create_job),
}
