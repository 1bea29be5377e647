"""Rules of the admissionregistration.k8s.io group: webhooks and policies."""

from __future__ import annotations

from sampan.api.validation.admissionregistration import policies, webhooks
from sampan.api.validation.rule import Rule

GROUP = "admissionregistration.k8s.io"

RULES: dict[str, Rule] = {
    "MutatingAdmissionPolicy": Rule(
        create=policies.create_mutating_policy, update=policies.update_mutating_policy, any_version=True
    ),
    "MutatingAdmissionPolicyBinding": Rule(
        create=policies.create_mutating_binding, update=policies.update_mutating_binding, any_version=True
    ),
    "MutatingWebhookConfiguration": Rule(create=webhooks.create_mutating, update=webhooks.update_mutating),
    "ValidatingAdmissionPolicy": Rule(
        create=policies.create_policy,
        update=policies.update_policy,
        subresources={"status": policies.update_policy_status},
    ),
    "ValidatingAdmissionPolicyBinding": Rule(create=policies.create_binding, update=policies.update_binding),
    "ValidatingWebhookConfiguration": Rule(create=webhooks.create_validating, update=webhooks.update_validating),
}
