"""The pods of a Job: tracked by a finalizer and, in an indexed Job, told their index. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.api.kinds import core_v1
from sampan.controllers.job.tally import FAILURES, FINALIZER, IGNORED, INDEX, is_indexed
from sampan.controllers.pods import from_template

VARIABLE = "JOB_COMPLETION_INDEX"


def pod(job: Any, index: int | None, failures: tuple[int, int] = (0, 0)) -> Any:
    """A pod for one completion; `failures` is how often its index has failed before, and how often that was ignored."""
    made = from_template(job.spec.template, job)
    made.metadata.finalizers = [*(made.metadata.finalizers or ()), FINALIZER]
    if index is None or not is_indexed(job):
        return made
    made.metadata.generateName = f"{job.metadata.name}-{index}-"
    made.metadata.labels = {**(made.metadata.labels or {}), INDEX: str(index)}
    made.metadata.annotations = {**(made.metadata.annotations or {}), INDEX: str(index)}
    if job.spec.backoffLimitPerIndex is not None:
        counted, ignored = failures
        made.metadata.annotations[FAILURES] = str(counted)
        if ignored:
            made.metadata.annotations[IGNORED] = str(ignored)
    made.spec = msgspec.structs.replace(
        made.spec,
        hostname=f"{job.metadata.name}-{index}",
        containers=_told(made.spec.containers),
        initContainers=_told(made.spec.initContainers),
    )
    return made


def _told(containers: Any) -> Any:
    """The containers with the variable that holds their index, unless they set it themselves."""
    source = core_v1.EnvVarSource(fieldRef=core_v1.ObjectFieldSelector(fieldPath=f"metadata.labels['{INDEX}']"))
    variable = core_v1.EnvVar(name=VARIABLE, valueFrom=source)
    return containers and [
        container
        if any(one.name == VARIABLE for one in container.env or ())
        else msgspec.structs.replace(container, env=[*(container.env or ()), variable])
        for container in containers
    ]
