"""What makes the pod of an ordinal that very pod: name, host name, labels, claims. Pure.

Rules: "StatefulSets", section "Pod Identity"; the claims' retention policy is KEP-1847.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from sampan.api.kinds import core_v1, meta_v1
from sampan.controllers.history import POD_LABEL
from sampan.controllers.ownership import reference_to
from sampan.controllers.pods import from_template

NAME_LABEL = "statefulset.kubernetes.io/pod-name"
INDEX_LABEL = "apps.kubernetes.io/pod-index"


def ordinal_of(owner: Any, pod: Any) -> int | None:
    """The pod's ordinal, None when its name is not one of the set's."""
    match = re.fullmatch(re.escape(owner.metadata.name) + r"-(0|[1-9][0-9]*)", pod.metadata.name)
    return int(match.group(1)) if match else None


def revision_of(pod: Any) -> str:
    return (pod.metadata.labels or {}).get(POD_LABEL, "")


def start(owner: Any) -> int:
    """The first ordinal."""
    return (owner.spec.ordinals.start if owner.spec.ordinals else None) or 0


def replicas(owner: Any) -> int:
    return 1 if owner.spec.replicas is None else int(owner.spec.replicas)


def pod(owner: Any, template: Any, ordinal: int, revision: str) -> Any:
    """The pod for an ordinal at a revision."""
    made = from_template(template, owner)
    name = f"{owner.metadata.name}-{ordinal}"
    made.metadata.generateName = f"{owner.metadata.name}-"
    made.metadata.name = name
    made.metadata.labels = {
        **(made.metadata.labels or {}),
        NAME_LABEL: name,
        INDEX_LABEL: str(ordinal),
        POD_LABEL: revision,
    }
    claimed = {_template_name(one): claim_name(owner, one, ordinal) for one in owner.spec.volumeClaimTemplates or ()}
    others = [volume for volume in made.spec.volumes or () if volume.name not in claimed]
    volumes = [
        core_v1.Volume(name=volume, persistentVolumeClaim=core_v1.PersistentVolumeClaimVolumeSource(claimName=claim))
        for volume, claim in claimed.items()
    ]
    made.spec = msgspec.structs.replace(
        made.spec, hostname=name, subdomain=owner.spec.serviceName or None, volumes=[*volumes, *others] or None
    )
    return made


def claims(owner: Any, ordinal: int) -> list[Any]:
    """The claims for an ordinal, as they are to be created."""
    kept = _policy(owner, "whenDeleted") != "Delete"
    return [
        core_v1.PersistentVolumeClaim(
            metadata=meta_v1.ObjectMeta(
                name=claim_name(owner, one, ordinal),
                namespace=owner.metadata.namespace,
                labels={**(one.metadata.labels or {}), **(owner.spec.selector.matchLabels or {})},
                annotations=one.metadata.annotations,
                ownerReferences=None if kept else [reference_to(owner)],
            ),
            spec=one.spec,
        )
        for one in owner.spec.volumeClaimTemplates or ()
    ]


def claim_name(owner: Any, template: Any, ordinal: int) -> str:
    return f"{_template_name(template)}-{owner.metadata.name}-{ordinal}"


def goes_with_scale(owner: Any) -> bool:
    """Whether the claims of an ordinal go when the set is scaled below it."""
    return _policy(owner, "whenScaled") == "Delete"


def _policy(owner: Any, moment: str) -> str:
    policy = owner.spec.persistentVolumeClaimRetentionPolicy
    return (getattr(policy, moment) if policy else None) or "Retain"


def _template_name(template: Any) -> str:
    return str(template.metadata.name)
