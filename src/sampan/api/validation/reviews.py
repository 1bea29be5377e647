"""Rules for reviews and token requests, which are answered and never stored. Source: API reference v1.36,
authorization.k8s.io and authentication.k8s.io."""

from __future__ import annotations

from typing import Any

from sampan.api.errors import FieldError
from sampan.api.kinds import meta_v1
from sampan.api.validation.problems import invalid, required
from sampan.api.validation.rule import Rule
from sampan.api.validation.selectors import label_requirement, operator_and_values

GROUP = "authorization.k8s.io"
Errors = list[FieldError]

NOT_BOTH = "may not specified at the same time as requirements"
ONE_OF = "cannot be specified in combination with nonResourceAttributes"
EXACTLY_ONE = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
SHORTEST_SECONDS = 600
LARGEST_SECONDS = 2**32


def empty_metadata(obj: Any, errors: Errors) -> None:
    meta = obj.metadata
    allowed = ("namespace", "managedFields")
    rest = {n: getattr(meta, n) for n in meta.__struct_fields__ if n not in (*allowed, "uid", "creationTimestamp")}
    if any(v is not None for v in rest.values()):
        errors.append(invalid("metadata", meta_v1.ObjectMeta(**rest), "must be empty"))


def attributes(spec: Any, errors: Errors) -> None:
    if spec.resourceAttributes is not None and spec.nonResourceAttributes is not None:
        errors.append(invalid("spec.nonResourceAttributes", spec.nonResourceAttributes, ONE_OF))
    if spec.resourceAttributes is None and spec.nonResourceAttributes is None:
        errors.append(invalid("spec.resourceAttributes", None, EXACTLY_ONE))


def selectors_of(spec: Any, errors: Errors) -> None:
    """The selectors of what is asked about, as text or taken apart (KEP-4601)."""
    wanted = spec.resourceAttributes
    for name, judge in (("fieldSelector", field_requirement), ("labelSelector", known_label_requirement)):
        selector = getattr(wanted, name) if wanted is not None else None
        if selector is None:
            continue
        here = f"spec.resourceAttributes.{name}"
        if selector.rawSelector and selector.requirements:
            errors.append(invalid(f"{here}.rawSelector", selector.rawSelector, NOT_BOTH))
        if not selector.rawSelector and not selector.requirements:
            text = f"when {here} is specified, requirements or rawSelector is required"
            errors.append(required(f"{here}.requirements", text))
        for index, requirement in enumerate(selector.requirements or ()):
            judge(requirement, errors, f"{here}.requirements[{index}]")


def field_requirement(requirement: Any, errors: Errors, path: str) -> None:
    if not requirement.key:
        errors.append(required(f"{path}.key", "must be specified"))
    operator_and_values(requirement, errors, path, any_operator=True)


def known_label_requirement(requirement: Any, errors: Errors, path: str) -> None:
    label_requirement(requirement, errors, path, any_operator=True)


def subject_access(obj: Any, errors: Errors) -> None:
    attributes(obj.spec, errors)
    if not obj.spec.user and not obj.spec.groups:
        errors.append(required("spec.user", "at least one of user or group must be specified"))
    selectors_of(obj.spec, errors)
    empty_metadata(obj, errors)


def self_subject_access(obj: Any, errors: Errors) -> None:
    attributes(obj.spec, errors)
    selectors_of(obj.spec, errors)
    empty_metadata(obj, errors)


def local_subject_access(obj: Any, errors: Errors) -> None:
    subject_access(obj, errors)
    attributes_of = obj.spec.resourceAttributes
    if attributes_of is not None and attributes_of.namespace != obj.metadata.namespace:
        text = "must match metadata.namespace"
        errors.append(invalid("spec.resourceAttributes.namespace", attributes_of.namespace or "", text))
    if obj.spec.nonResourceAttributes is not None:
        text = "disallowed on this kind of request"
        errors.append(invalid("spec.nonResourceAttributes", obj.spec.nonResourceAttributes, text))


def token_request(obj: Any, errors: Errors) -> None:
    seconds = obj.spec.expirationSeconds or 0
    if seconds < SHORTEST_SECONDS:
        text = "may not specify a duration less than 10 minutes"
        errors.append(invalid("spec.expirationSeconds", seconds, text))
    if seconds > LARGEST_SECONDS:
        text = "may not specify a duration larger than 2^32 seconds"
        errors.append(invalid("spec.expirationSeconds", seconds, text))


RULES: dict[str, Rule] = {
    "LocalSubjectAccessReview": Rule(create=local_subject_access, metadata=False),
    "SelfSubjectAccessReview": Rule(create=self_subject_access, metadata=False),
    "SelfSubjectRulesReview": Rule(metadata=False),
    "SubjectAccessReview": Rule(create=subject_access, metadata=False),
    "SelfSubjectReview": Rule(metadata=False),
    "TokenReview": Rule(metadata=False),
    "TokenRequest": Rule(create=token_request, metadata=False),
}
