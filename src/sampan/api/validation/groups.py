"""The rules of all groups, in one table."""

from __future__ import annotations

from typing import Any

from sampan.api.validation import (
    admissionregistration,
    apiextensions,
    apiregistration,
    apiserverinternal,
    apps,
    autoscaling,
    batch,
    certificates,
    coordination,
    core,
    discovery,
    events,
    flowcontrol,
    networking,
    node,
    policy,
    rbac,
    resource,
    reviews,
    scheduling,
    storage,
    storagemigration,
)
from sampan.api.validation.rule import Rule

GROUPS: tuple[Any, ...] = (
    core,
    apps,
    batch,
    autoscaling,
    discovery,
    events,
    networking,
    policy,
    rbac,
    resource,
    storage,
    scheduling,
    node,
    coordination,
    certificates,
    apiregistration,
    flowcontrol,
    admissionregistration,
    apiextensions,
    apiserverinternal,
    storagemigration,
    reviews,
)

AUTHENTICATION = ("SelfSubjectReview", "TokenRequest", "TokenReview")

RULES: dict[tuple[str, str], Rule] = {
    (group.GROUP, kind): rule for group in GROUPS for kind, rule in group.RULES.items()
}
RULES.update({("authentication.k8s.io", kind): reviews.RULES[kind] for kind in AUTHENTICATION})
