"""Tables of admissionregistration.k8s.io."""

from __future__ import annotations

from typing import Any

from sampan.api.tables import AGE, NAME, Cells, Column, Table
from sampan.api.tables.cells import UNSET, age, at, selector


def webhooks(obj: Any, now: float) -> Cells:
    return [obj.metadata.name, len(obj.webhooks or ()), age(obj, now)]


def validating_policy(obj: Any, now: float) -> Cells:
    return [obj.metadata.name, len(at(obj, "spec.validations", ())), parameter_kind(obj), age(obj, now)]


def mutating_policy(obj: Any, now: float) -> Cells:
    return [obj.metadata.name, len(at(obj, "spec.mutations", ())), parameter_kind(obj), age(obj, now)]


def parameter_kind(obj: Any) -> str:
    kind = at(obj, "spec.paramKind")
    return UNSET if kind is None else f"{kind.apiVersion or ''}/{kind.kind or ''}"


def binding(obj: Any, now: float) -> Cells:
    return [obj.metadata.name, at(obj, "spec.policyName", ""), parameters(at(obj, "spec.paramRef")), age(obj, now)]


def parameters(reference: Any) -> str:
    """Which parameters a binding uses; without a namespace they may be in any, or in none."""
    if reference is None:
        return UNSET
    if reference.name:
        return f"{reference.namespace or '*'}/{reference.name}"
    return UNSET if reference.selector is None else selector(reference.selector)


WEBHOOKS = (
    NAME,
    Column(
        "Webhooks",
        text="Webhooks indicates the number of webhooks registered in this configuration",
        type="integer",
    ),
    AGE,
)
PARAMETER_KIND = Column("ParamKind", text="ParamKind specifies the kind of resources used to parameterize this policy")
VALIDATING_POLICY = (
    NAME,
    Column(
        "Validations",
        text="Validations indicates the number of validation rules defined in this configuration",
        type="integer",
    ),
    PARAMETER_KIND,
    AGE,
)
MUTATING_POLICY = (
    NAME,
    Column(
        "Mutations",
        text="Mutation indicates the number of mutations rules defined in this configuration",
        type="integer",
    ),
    PARAMETER_KIND,
    AGE,
)
BINDING = (
    NAME,
    Column("PolicyName", text="PolicyName indicates the policy definition which the policy binding binded to"),
    Column("ParamRef", text="ParamRef indicates the param resource which sets the configuration param"),
    AGE,
)

TABLES = {
    "MutatingAdmissionPolicy": Table(MUTATING_POLICY, mutating_policy),
    "MutatingAdmissionPolicyBinding": Table(BINDING, binding),
    "MutatingWebhookConfiguration": Table(WEBHOOKS, webhooks),
    "ValidatingAdmissionPolicy": Table(VALIDATING_POLICY, validating_policy),
    "ValidatingAdmissionPolicyBinding": Table(BINDING, binding),
    "ValidatingWebhookConfiguration": Table(WEBHOOKS, webhooks),
}
