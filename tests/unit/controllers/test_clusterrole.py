"""ClusterRole aggregation: the rules of all roles that match, and of no others."""

from __future__ import annotations

from typing import Any

from sampan.api.kinds import meta_v1, rbac_v1
from sampan.controllers.clusterrole import ClusterRoleAggregationController
from tests.unit.controllers.harness import World, world


def role(name: str, *verbs: str, labels: dict[str, str] | None = None, takes: dict[str, str] | None = None) -> Any:
    rule = None
    if takes is not None:
        rule = rbac_v1.AggregationRule(clusterRoleSelectors=[meta_v1.LabelSelector(matchLabels=takes)])
    rules = [rbac_v1.PolicyRule(apiGroups=[""], resources=["pods"], verbs=[verb]) for verb in verbs]
    metadata = meta_v1.ObjectMeta(name=name, labels=labels)
    return rbac_v1.ClusterRole(metadata=metadata, rules=rules or None, aggregationRule=rule)


def verbs(w: World, name: str) -> list[str]:
    return [rule.verbs[0] for rule in w.api.peek(rbac_v1.ClusterRole, name).rules or ()]


async def test_rules_are_taken_in_kept_up_and_let_go() -> None:
    async with world(ClusterRoleAggregationController) as w:
        to_view, to_edit = {"to-view": "true"}, {"to-edit": "true"}
        w.api.add(role("view", takes=to_view, labels=to_edit), role("edit", takes=to_edit), role("other", "watch"))
        w.api.add(role("a", "get", labels=to_view), role("b", "list", "get", labels=to_view))
        await w.settle(1)
        assert verbs(w, "view") == ["get", "list"]
        assert verbs(w, "edit") == ["get", "list"]
        w.api.remove(rbac_v1.ClusterRole, "b")
        await w.settle(1)
        assert verbs(w, "view") == verbs(w, "edit") == ["get"]
        w.writes()
        await w.settle(3600)
        assert w.writes() == []
