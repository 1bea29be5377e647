"""Rules of the rbac.authorization.k8s.io group. Source: API reference v1.36."""

from __future__ import annotations

from typing import Any

from sampan.api.errors import FieldError
from sampan.api.names import path_segment, subdomain
from sampan.api.validation.metadata import immutable
from sampan.api.validation.problems import each_invalid, invalid, not_supported, required
from sampan.api.validation.rule import Rule
from sampan.api.validation.selectors import label_selector

GROUP = "rbac.authorization.k8s.io"
Errors = list[FieldError]

SUBJECTS = ("ServiceAccount", "User", "Group")


def create_role(obj: Any, errors: Errors) -> None:
    for index, rule in enumerate(obj.rules or ()):
        policy_rule(rule, True, errors, f"rules[{index}]")


def create_cluster_role(obj: Any, errors: Errors) -> None:
    for index, rule in enumerate(obj.rules or ()):
        policy_rule(rule, False, errors, f"rules[{index}]")
    if obj.aggregationRule is not None:
        aggregation(obj.aggregationRule, errors, "aggregationRule")


def aggregation(rule: Any, errors: Errors, path: str) -> None:
    if not rule.clusterRoleSelectors:
        text = "at least one clusterRoleSelector required if aggregationRule is non-nil"
        errors.append(required(f"{path}.clusterRoleSelectors", text))
    for index, selector in enumerate(rule.clusterRoleSelectors or ()):
        here, wrong = f"{path}.clusterRoleSelectors[{index}]", list[FieldError]()
        label_selector(selector, wrong, here)
        errors.extend(wrong)
        if wrong:
            errors.append(invalid(here, None, "invalid label selector."))


def policy_rule(rule: Any, namespaced: bool, errors: Errors, path: str) -> None:
    if not rule.verbs:
        errors.append(required(f"{path}.verbs", "verbs must contain at least one value"))
    if rule.nonResourceURLs:
        if namespaced:
            text = "namespaced rules cannot apply to non-resource URLs"
            errors.append(invalid(f"{path}.nonResourceURLs", rule.nonResourceURLs, text))
        if rule.apiGroups or rule.resources or rule.resourceNames:
            text = "rules cannot apply to both regular resources and non-resource URLs"
            errors.append(invalid(f"{path}.nonResourceURLs", rule.nonResourceURLs, text))
        return
    if not rule.apiGroups:
        errors.append(required(f"{path}.apiGroups", "resource rules must supply at least one api group"))
    if not rule.resources:
        errors.append(required(f"{path}.resources", "resource rules must supply at least one resource"))


def update_role(new: Any, old: Any, errors: Errors) -> None:
    create_role(new, errors)


def update_cluster_role(new: Any, old: Any, errors: Errors) -> None:
    create_cluster_role(new, errors)


def create_binding(obj: Any, errors: Errors) -> None:
    binding(obj, ("Role", "ClusterRole"), True, errors)


def create_cluster_binding(obj: Any, errors: Errors) -> None:
    binding(obj, ("ClusterRole",), False, errors)


def binding(obj: Any, kinds: tuple[str, ...], namespaced: bool, errors: Errors) -> None:
    reference = obj.roleRef
    if reference.apiGroup != GROUP:
        errors.append(not_supported("roleRef.apiGroup", reference.apiGroup or "", (GROUP,)))
    if reference.kind not in kinds:
        errors.append(not_supported("roleRef.kind", reference.kind or "", kinds))
    if not reference.name:
        errors.append(required("roleRef.name"))
    else:
        errors.extend(each_invalid("roleRef.name", reference.name, path_segment(reference.name)))
    for index, each in enumerate(obj.subjects or ()):
        subject(each, namespaced, errors, f"subjects[{index}]")


def subject(each: Any, namespaced: bool, errors: Errors, path: str) -> None:
    if not each.name:
        errors.append(required(f"{path}.name"))
    if each.kind == "ServiceAccount":
        if each.name:
            errors.extend(each_invalid(f"{path}.name", each.name, subdomain(each.name)))
        if each.apiGroup:
            errors.append(not_supported(f"{path}.apiGroup", each.apiGroup, ("",)))
        if not namespaced and not each.namespace:
            errors.append(required(f"{path}.namespace"))
    elif each.kind in ("User", "Group"):
        if each.apiGroup != GROUP:
            errors.append(not_supported(f"{path}.apiGroup", each.apiGroup or "", (GROUP,)))
    else:
        errors.append(not_supported(f"{path}.kind", each.kind or "", SUBJECTS))


def update_binding(new: Any, old: Any, errors: Errors) -> None:
    create_binding(new, errors)
    immutable(new.roleRef, old.roleRef, errors, "roleRef", "cannot change roleRef")


def update_cluster_binding(new: Any, old: Any, errors: Errors) -> None:
    create_cluster_binding(new, errors)
    immutable(new.roleRef, old.roleRef, errors, "roleRef", "cannot change roleRef")


RULES: dict[str, Rule] = {
    "ClusterRole": Rule(name=path_segment, create=create_cluster_role, update=update_cluster_role),
    "ClusterRoleBinding": Rule(name=path_segment, create=create_cluster_binding, update=update_cluster_binding),
    "Role": Rule(name=path_segment, create=create_role, update=update_role),
    "RoleBinding": Rule(name=path_segment, create=create_binding, update=update_binding),
}
