"""Which ReplicaSet stands for which template, and the revisions that `kubectl rollout` reads. Pure.

The new set is the one whose template equals the Deployment's but for the hash label; all others are old. Revisions
count up: the new set has the highest, and an old template that becomes new again (an undo) gets a fresh number, its
former ones being kept in its history annotation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec

from sampan.api import defaults
from sampan.api.kinds import apps_v1, meta_v1
from sampan.controllers.ownership import reference_to

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
NOT_COPIED = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration",
        "deprecated.deployment.rollback.to",
        REVISION,
        HISTORY,
        DESIRED,
        MAXIMUM,
    }
)
SAFE = "bcdfghjklmnpqrstvwxz2456789"
HISTORY_LIMIT = 2000

_encode = msgspec.json.Encoder(order="deterministic").encode


def template_bytes(template: Any) -> bytes:
    """The template in one form, without the hash label."""
    if template is None or template.metadata is None or HASH_LABEL not in (template.metadata.labels or {}):
        return _encode(template)
    labels = {key: value for key, value in template.metadata.labels.items() if key != HASH_LABEL}
    metadata = msgspec.structs.replace(template.metadata, labels=labels)
    return _encode(msgspec.structs.replace(template, metadata=metadata))


def template_hash(template: Any, collisions: int | None) -> str:
    """Ten safe characters for the template; another ten for every collision met."""
    salt = str(collisions).encode() if collisions else b""
    number = int.from_bytes(hashlib.blake2s(template_bytes(template) + salt, digest_size=4).digest(), "big")
    return "".join(SAFE[ord(digit) % len(SAFE)] for digit in str(number))


def age(replica_set: Any) -> tuple[str, str]:
    """Sorts the oldest first."""
    return (replica_set.metadata.creationTimestamp or "", replica_set.metadata.name)


def split(deployment: Any, sets: Sequence[Any]) -> tuple[Any, list[Any]]:
    """The new set (the oldest with the template, or None) and the old ones, oldest first."""
    wanted = template_bytes(deployment.spec.template)
    ordered = sorted(sets, key=age)
    new = next((one for one in ordered if template_bytes(one.spec.template) == wanted), None)
    if new is None:
        new = next((one for one in ordered if _same_when_defaulted(deployment, one)), None)
    return new, [one for one in ordered if one is not new]


def same_template(one: Any, other: Any) -> bool:
    """Whether two templates ask for the same pod once the server's defaults are filled in."""
    return template_bytes(one) == template_bytes(other) or _defaulted(one) == _defaulted(other)


def _same_when_defaulted(deployment: Any, one: Any) -> bool:
    """A set made from this very template may hold defaults that the Deployment, stored earlier, does not."""
    collisions = deployment.status.collisionCount if deployment.status else None
    digest = template_hash(deployment.spec.template, collisions)
    labelled = (one.metadata.labels or {}).get(HASH_LABEL) == digest
    return labelled and same_template(deployment.spec.template, one.spec.template)


def _defaulted(template: Any) -> bytes:
    made = msgspec.json.decode(msgspec.json.encode(template), type=type(template))
    defaults.apply_to(made)
    return template_bytes(made)


def revision_of(obj: Any) -> int:
    """The revision annotation, 0 when absent or no number."""
    text = (obj.metadata.annotations or {}).get(REVISION, "0")
    return int(text) if text.isdecimal() else 0


def annotations_for(deployment: Any, replica_set: Any, revision: int) -> dict[str, str]:
    """The new set's annotations: the Deployment's, and its revision, with former ones in the history."""
    result = dict((replica_set.metadata.annotations if replica_set else None) or {})
    for key, value in (deployment.metadata.annotations or {}).items():
        if key not in NOT_COPIED:
            result[key] = value
    former = result.get(REVISION, "")
    if revision > (int(former) if former.isdecimal() else 0):
        result[REVISION] = str(revision)
        if former:
            result[HISTORY] = _history(result.get(HISTORY, ""), former)
    return result


def _history(known: str, former: str) -> str:
    """The comma-separated list with `former` at its end, the oldest dropped when it grows too long."""
    entries = [*filter(None, known.split(",")), former]
    while len(entries) > 1 and len(",".join(entries)) > HISTORY_LIMIT:
        entries.pop(0)
    return ",".join(entries)


def new_set(deployment: Any, revision: int, replicas: int, annotations: dict[str, str]) -> Any:
    """The ReplicaSet for the Deployment's template, as it is to be created."""
    collisions = deployment.status.collisionCount if deployment.status else None
    digest = template_hash(deployment.spec.template, collisions)
    template = deployment.spec.template
    labels = {**(template.metadata.labels or {}), HASH_LABEL: digest}
    selector = deployment.spec.selector
    match = {**(selector.matchLabels or {}), HASH_LABEL: digest}
    return apps_v1.ReplicaSet(
        metadata=meta_v1.ObjectMeta(
            name=f"{deployment.metadata.name}-{digest}",
            namespace=deployment.metadata.namespace,
            labels=dict(labels),
            annotations={**annotations_for(deployment, None, revision), **annotations},
            ownerReferences=[reference_to(deployment)],
        ),
        spec=apps_v1.ReplicaSetSpec(
            replicas=replicas,
            minReadySeconds=deployment.spec.minReadySeconds,
            selector=msgspec.structs.replace(selector, matchLabels=match),
            template=msgspec.structs.replace(
                template, metadata=msgspec.structs.replace(template.metadata, labels=labels)
            ),
        ),
    )


def beyond_history(deployment: Any, old: Sequence[Any]) -> list[Any]:
    """The old sets to delete: empty, settled, and more than `revisionHistoryLimit` of them, lowest revision first."""
    limit = deployment.spec.revisionHistoryLimit
    if limit is None or limit == 2**31 - 1:
        return []
    alive = sorted(
        (one for one in old if one.metadata.deletionTimestamp is None), key=lambda one: (revision_of(one), age(one))
    )
    surplus = alive[: max(len(alive) - limit, 0)]
    return [one for one in surplus if _settled_at_zero(one)]


def _settled_at_zero(one: Any) -> bool:
    status = one.status
    observed = (status.observedGeneration if status else None) or 0
    held = (status.replicas if status else None) or 0
    return not held and one.spec.replicas == 0 and (one.metadata.generation or 0) <= observed
