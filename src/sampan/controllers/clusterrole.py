"""ClusterRole aggregation: a role with an aggregation rule has the rules of all roles its selectors match.

`aggregated` is pure. Rules: "Using RBAC Authorization", section "Aggregated ClusterRoles".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from sampan.api.kinds import rbac_v1
from sampan.api.selectors import from_label_selector
from sampan.controllers.context import Context
from sampan.controllers.reconciler import Controller


def aggregates(role: Any, other: Any) -> bool:
    """Whether `role` takes in the rules of `other`."""
    rule = role.aggregationRule
    selectors = (rule.clusterRoleSelectors if rule else None) or ()
    if role.metadata.name == other.metadata.name:
        return False
    return any(from_label_selector(selector).matches(other.metadata.labels) for selector in selectors)


def aggregated(role: Any, roles: Iterable[Any]) -> list[Any]:
    """The rules it should have: those of the roles matched, by name, each rule once."""
    rules: list[Any] = []
    for other in sorted(roles, key=lambda one: one.metadata.name):
        if aggregates(role, other):
            rules += [rule for rule in other.rules or () if rule not in rules]
    return rules


class ClusterRoleAggregationController(Controller):
    name = "clusterrole-aggregation"
    component = "clusterrole-aggregation-controller"
    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.roles = self.informer(rbac_v1.ClusterRole, aggregating=_aggregating)
        self.roles.add_handler(self._role_changed)

    def _role_changed(self, old: Any, new: Any) -> None:
        for role in self.roles.index("aggregating", "yes"):
            if role is new or any(aggregates(role, one) for one in (old, new) if one is not None):
                self.enqueue(role.metadata.name)

    async def reconcile(self, key: str) -> float | None:
        role = self.roles.get(key)
        if role is None or role.aggregationRule is None or role.metadata.deletionTimestamp is not None:
            return None
        rules = aggregated(role, self.roles.list())
        if rules != (role.rules or []):
            await self.write.update(msgspec.structs.replace(role, rules=rules or None))
        return None


def _aggregating(role: Any) -> list[str]:
    return ["yes"] if role.aggregationRule is not None else []
