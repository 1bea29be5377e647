"""Rules of the apps group. Source: API reference v1.36."""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.api import names
from sampan.api.errors import FieldError
from sampan.api.kinds import core_v1
from sampan.api.selectors import SelectorError, from_label_selector
from sampan.api.validation.core.claims import claim_spec
from sampan.api.validation.core.pods import template
from sampan.api.validation.core.replication import (
    MISMATCH,
    always_restarted,
    labels_of,
    no_deadline,
    replica_counts,
    shown_labels,
)
from sampan.api.validation.metadata import immutable, labels
from sampan.api.validation.numbers import (
    not_more_than_100_percent,
    not_negative,
    not_negative_or_percent,
    percent_of,
)
from sampan.api.validation.problems import Shown, forbidden, invalid, not_supported, required
from sampan.api.validation.rule import Rule
from sampan.api.validation.selectors import label_selector

GROUP = "apps"
Errors = list[FieldError]

STRATEGIES = ("Recreate", "RollingUpdate")
DAEMON_STRATEGIES = ("RollingUpdate", "OnDelete")
POLICIES = ("OrderedReady", "Parallel")
RETENTION = ("Retain", "Delete")
STATEFUL_FIXED = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
    "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)
STATEFUL_FREE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)


def empty(selector: Any) -> bool:
    return not selector.matchLabels and not selector.matchExpressions


def selector_rules(selector: Any, kind: str, errors: Errors) -> None:
    """A selector must be given, be well-formed and select something less than all."""
    if selector is None:
        errors.append(required("spec.selector"))
        return
    label_selector(selector, errors, "spec.selector")
    if empty(selector):
        errors.append(invalid("spec.selector", Shown("{}"), f"empty selector is invalid for {kind}"))


def mismatch(selector: Any, pod_template: Any, errors: Errors) -> bool:
    """Tells when a controller would not find its own pods. False when the selector itself is malformed."""
    wrong: Errors = []
    label_selector(selector, wrong, "")
    if wrong:
        return False
    have = labels_of(pod_template)
    try:
        found = selector is not None and from_label_selector(selector).matches(have)
    except SelectorError:
        return False
    if not found:
        errors.append(invalid("spec.template.metadata.labels", shown_labels(pod_template), MISMATCH))
    return True


def pods(spec: Any, kind: str, errors: Errors) -> None:
    """The template of a controller that keeps pods running."""
    template(spec.template, errors, "spec.template")
    always_restarted(spec.template.spec, errors, "spec.template.spec")
    no_deadline(spec.template.spec, kind, errors)


def selected_pods(spec: Any, kind: str, errors: Errors) -> None:
    if mismatch(spec.selector, spec.template, errors):
        pods(spec, kind, errors)
    else:
        errors.append(invalid("spec.selector", spec.selector, "invalid label selector"))


def create_deployment(obj: Any, errors: Errors) -> None:
    spec = obj.spec
    not_negative(spec.replicas, errors, "spec.replicas")
    selector_rules(spec.selector, "deployment", errors)
    selected_pods(spec, "ReplicaSet", errors)
    deployment_strategy(spec.strategy, errors, "spec.strategy")
    not_negative(spec.minReadySeconds, errors, "spec.minReadySeconds")
    not_negative(spec.revisionHistoryLimit, errors, "spec.revisionHistoryLimit")
    deadline = spec.progressDeadlineSeconds
    if deadline is not None:
        not_negative(deadline, errors, "spec.progressDeadlineSeconds")
        if deadline <= (spec.minReadySeconds or 0):
            errors.append(invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"))


def deployment_strategy(strategy: Any, errors: Errors, path: str) -> None:
    rolling, here = strategy.rollingUpdate, f"{path}.rollingUpdate"
    if strategy.type == "Recreate":
        if rolling is not None:
            errors.append(forbidden(here, "may not be specified when strategy `type` is 'Recreate'"))
    elif strategy.type != "RollingUpdate":
        errors.append(not_supported(path, shown_strategy(strategy), STRATEGIES))
    elif rolling is None:
        errors.append(required(here, "this should be defaulted and never be nil"))
    else:
        not_negative_or_percent(rolling.maxUnavailable, errors, f"{here}.maxUnavailable")
        not_negative_or_percent(rolling.maxSurge, errors, f"{here}.maxSurge")
        if amount(rolling.maxUnavailable) == 0 and amount(rolling.maxSurge) == 0:
            text = "may not be 0 when `maxSurge` is 0"
            errors.append(invalid(f"{here}.maxUnavailable", rolling.maxUnavailable, text))
        not_more_than_100_percent(rolling.maxUnavailable, errors, f"{here}.maxUnavailable")


def amount(value: int | str | None) -> int:
    """The number, or the percentage's number; 0 for what is neither."""
    return value if isinstance(value, int) else percent_of(value) or 0


def shown_strategy(strategy: Any) -> Shown:
    """A strategy in upstream's internal form."""
    rolling = strategy.rollingUpdate
    inner = "null"
    if rolling is not None:
        unavailable, surge = (msgspec.json.encode(v).decode() for v in (rolling.maxUnavailable, rolling.maxSurge))
        inner = f'{{"MaxUnavailable":{unavailable},"MaxSurge":{surge}}}'
    return Shown(f'{{"Type":"{strategy.type or ""}","RollingUpdate":{inner}}}')


def update_deployment(new: Any, old: Any, errors: Errors) -> None:
    create_deployment(new, errors)
    immutable(new.spec.selector, old.spec.selector, errors, "spec.selector")


def update_deployment_status(new: Any, old: Any, errors: Errors) -> None:
    status = new.status
    for name in (
        "observedGeneration",
        "replicas",
        "updatedReplicas",
        "readyReplicas",
        "availableReplicas",
        "unavailableReplicas",
    ):
        not_negative(getattr(status, name), errors, f"status.{name}")
    total = status.replicas or 0
    for name in ("updatedReplicas", "readyReplicas", "availableReplicas"):
        if (getattr(status, name) or 0) > total:
            errors.append(invalid(f"status.{name}", getattr(status, name), "cannot be greater than status.replicas"))
    if (status.availableReplicas or 0) > (status.readyReplicas or 0):
        errors.append(
            invalid("status.availableReplicas", status.availableReplicas, "cannot be greater than readyReplicas")
        )


def create_replica_set(obj: Any, errors: Errors) -> None:
    spec = obj.spec
    not_negative(spec.replicas, errors, "spec.replicas")
    not_negative(spec.minReadySeconds, errors, "spec.minReadySeconds")
    selector_rules(spec.selector, "deployment", errors)
    selected_pods(spec, "ReplicaSet", errors)


def update_replica_set(new: Any, old: Any, errors: Errors) -> None:
    create_replica_set(new, errors)
    immutable(new.spec.selector, old.spec.selector, errors, "spec.selector")


def update_replica_set_status(new: Any, old: Any, errors: Errors) -> None:
    replica_counts(new.status, errors)


def create_daemon_set(obj: Any, errors: Errors) -> None:
    spec = obj.spec
    label_selector(spec.selector, errors, "spec.selector")
    mismatch(spec.selector, spec.template, errors)
    if spec.selector is not None and empty(spec.selector):
        errors.append(invalid("spec.selector", Shown("{}"), "empty selector is invalid for daemonset"))
    pods(spec, "DaemonSet", errors)
    not_negative(spec.minReadySeconds, errors, "spec.minReadySeconds")
    daemon_strategy(spec.updateStrategy, errors, "spec.updateStrategy")
    not_negative(spec.revisionHistoryLimit, errors, "spec.revisionHistoryLimit")


def daemon_strategy(strategy: Any, errors: Errors, path: str) -> None:
    rolling, here = strategy.rollingUpdate, f"{path}.rollingUpdate"
    if strategy.type == "OnDelete":
        return
    if strategy.type != "RollingUpdate":
        errors.append(not_supported(path, shown_strategy(strategy), DAEMON_STRATEGIES))
        return
    if rolling is None:
        errors.append(required(here))
        return
    for name in ("maxUnavailable", "maxSurge"):
        not_negative_or_percent(getattr(rolling, name), errors, f"{here}.{name}")
        not_more_than_100_percent(getattr(rolling, name), errors, f"{here}.{name}")
    unavailable, surge = amount(rolling.maxUnavailable), amount(rolling.maxSurge)
    if unavailable and surge:
        errors.append(invalid(f"{here}.maxSurge", rolling.maxSurge, "may not be set when maxUnavailable is non-zero"))
    elif not unavailable and not surge:
        errors.append(required(f"{here}.maxUnavailable", "cannot be 0 when maxSurge is 0"))


def update_daemon_set(new: Any, old: Any, errors: Errors) -> None:
    immutable(new.spec.selector, old.spec.selector, errors, "spec.selector")
    create_daemon_set(new, errors)


def update_daemon_set_status(new: Any, old: Any, errors: Errors) -> None:
    status = new.status
    for name in (
        "currentNumberScheduled",
        "numberMisscheduled",
        "desiredNumberScheduled",
        "numberReady",
        "observedGeneration",
        "updatedNumberScheduled",
        "numberAvailable",
        "numberUnavailable",
    ):
        not_negative(getattr(status, name), errors, f"status.{name}")


def create_stateful_set(obj: Any, errors: Errors) -> None:
    spec = obj.spec
    policy = spec.podManagementPolicy
    if policy not in POLICIES:
        errors.append(
            invalid("spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'")
            if policy
            else required("spec.podManagementPolicy")
        )
    stateful_strategy(spec.updateStrategy, errors, "spec.updateStrategy")
    retention = spec.persistentVolumeClaimRetentionPolicy
    for name in ("whenDeleted", "whenScaled"):
        value = getattr(retention, name) if retention is not None else None
        if retention is not None and value not in RETENTION:
            errors.append(not_supported(f"spec.persistentVolumeClaimRetentionPolicy.{name}", value or "", RETENTION))
    not_negative(spec.replicas, errors, "spec.replicas")
    not_negative(spec.minReadySeconds, errors, "spec.minReadySeconds")
    if spec.ordinals is not None:
        not_negative(spec.ordinals.start, errors, "spec.ordinals.start")
    if spec.serviceName:
        for message in names.label(spec.serviceName):
            errors.append(invalid("spec.serviceName", spec.serviceName, message))
    selector_rules(spec.selector, "statefulset", errors)
    stateful_pods(spec, errors)


def stateful_pods(spec: Any, errors: Errors) -> None:
    """The template, with the volumes that the claim templates will become."""
    if not mismatch(spec.selector, spec.template, errors):
        errors.append(invalid("spec.selector", spec.selector, ""))
        return
    labels(labels_of(spec.template), errors, "spec.template.labels")
    claims = spec.volumeClaimTemplates or ()
    for index, claim in enumerate(claims):
        claim_spec(claim.spec, errors, f"spec.volumeClaimTemplates[{index}].spec")
    pod_spec = msgspec.structs.replace(spec.template.spec, volumes=merged_volumes(spec.template.spec, claims) or None)
    template(msgspec.structs.replace(spec.template, spec=pod_spec), errors, "spec.template")
    always_restarted(spec.template.spec, errors, "spec.template.spec")
    no_deadline(spec.template.spec, "StatefulSet", errors)


def merged_volumes(spec: Any, claims: Any) -> list[Any]:
    """Claims first; a volume of the same name gives way to its claim."""
    taken = dict.fromkeys(c.metadata.name if c.metadata is not None else None for c in claims)
    return [_claimed(name) for name in taken] + [v for v in spec.volumes or () if v.name not in taken]


def _claimed(name: str | None) -> Any:
    source = core_v1.PersistentVolumeClaimVolumeSource(claimName=name)
    return core_v1.Volume(name=name, persistentVolumeClaim=source)


def stateful_strategy(strategy: Any, errors: Errors, path: str) -> None:
    kind, rolling = strategy.type or "", strategy.rollingUpdate
    if not kind:
        errors.append(required(path))
    elif kind == "OnDelete":
        if rolling is not None:
            text = "only allowed for updateStrategy 'RollingUpdate'"
            errors.append(invalid(f"{path}.rollingUpdate", rolling, text))
    elif kind != "RollingUpdate":
        errors.append(invalid(path, strategy, "must be 'RollingUpdate' or 'OnDelete'"))
    elif rolling is not None:
        not_negative(rolling.partition, errors, f"{path}.rollingUpdate.partition")
        if rolling.maxUnavailable is not None:
            here = f"{path}.rollingUpdate.maxUnavailable"
            not_negative_or_percent(rolling.maxUnavailable, errors, here)
            if amount(rolling.maxUnavailable) == 0:
                errors.append(invalid(here, rolling.maxUnavailable, "cannot be 0"))
            not_more_than_100_percent(rolling.maxUnavailable, errors, here)


def update_stateful_set(new: Any, old: Any, errors: Errors) -> None:
    create_stateful_set(new, errors)
    fixed = [n for n in new.spec.__struct_fields__ if n not in STATEFUL_FREE]
    if any(getattr(new.spec, n) != getattr(old.spec, n) for n in fixed):
        errors.append(forbidden("spec", STATEFUL_FIXED))


def update_stateful_set_status(new: Any, old: Any, errors: Errors) -> None:
    status = new.status
    total = status.replicas or 0
    counts = ("replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")
    for name in (*counts, "observedGeneration"):
        not_negative(getattr(status, name), errors, f"status.{name}")
    for name in counts[1:]:
        if (getattr(status, name) or 0) > total:
            errors.append(invalid(f"status.{name}", getattr(status, name), "cannot be greater than status.replicas"))


def create_revision(obj: Any, errors: Errors) -> None:
    if obj.data is None:
        errors.append(required("data", "data is mandatory"))
    elif not isinstance(obj.data, dict):
        errors.append(required("data", "data must be a valid JSON object"))
    not_negative(obj.revision, errors, "revision")


def update_revision(new: Any, old: Any, errors: Errors) -> None:
    immutable(new.data, old.data, errors, "data")
    create_revision(new, errors)


RULES: dict[str, Rule] = {
    "ControllerRevision": Rule(create=create_revision, update=update_revision),
    "DaemonSet": Rule(
        create=create_daemon_set, update=update_daemon_set, subresources={"status": update_daemon_set_status}
    ),
    "Deployment": Rule(
        create=create_deployment, update=update_deployment, subresources={"status": update_deployment_status}
    ),
    "ReplicaSet": Rule(
        create=create_replica_set, update=update_replica_set, subresources={"status": update_replica_set_status}
    ),
    "StatefulSet": Rule(
        name=names.label,
        create=create_stateful_set,
        update=update_stateful_set,
        subresources={"status": update_stateful_set_status},
    ),
}
