"""Rules for reviews and token requests, which are answered and never stored. Source: API reference v1.36,
authorization.k8s.io and authentication.k8s.io."""

from __future__ import annotations

from typing import Any

from sampan.api.errors import FieldError
from sampan.api.kinds import meta_v1
from sampan.api.validation.problems import invalid, required
from sampan.api.validation.rule import Rule

GROUP = "authorization.k8s.io"
Errors = list[FieldError]

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


def subject_access(obj: Any, errors: Errors) -> None:
    attributes(obj.spec, errors)
    if not obj.spec.user and not obj.spec.groups:
        errors.append(required("spec.user", "at least one of user or group must be specified"))
    empty_metadata(obj, errors)


def self_subject_access(obj: Any, errors: Errors) -> None:
    attributes(obj.spec, errors)
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
