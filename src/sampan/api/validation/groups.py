"""The rules of all groups, in one table."""

from __future__ import annotations

from typing import Any

from sampan.api.validation import apps, autoscaling, batch, core, discovery, events, networking, policy, rbac
from sampan.api.validation.rule import Rule

GROUPS: tuple[Any, ...] = (core, apps, batch, autoscaling, discovery, events, networking, policy, rbac)

RULES: dict[tuple[str, ...], Rule] = {
    (group.GROUP, *((kind,) if isinstance(kind, str) else kind)): rule
    for group in GROUPS
    for kind, rule in group.RULES.items()
}
