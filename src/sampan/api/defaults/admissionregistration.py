"""Defaults of the admissionregistration.k8s.io group, in its versions. Source: API reference v1.36."""

from __future__ import annotations

from typing import Any

WEBHOOK = {
    "failurePolicy": "Fail",
    "matchPolicy": "Equivalent",
    "namespaceSelector": {},
    "objectSelector": {},
    "timeoutSeconds": 10,
}
MATCH = {"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}}
PER_VERSION: dict[str, dict[str, Any]] = {
    "MatchResources": MATCH,
    "MutatingAdmissionPolicySpec": {"failurePolicy": "Fail", "reinvocationPolicy": "Never"},
    "NamedRuleWithOperations": {"scope": "*"},
}

CONSTANTS: dict[str, dict[str, Any]] = {
    "admissionregistration_v1.MutatingWebhook": {**WEBHOOK, "reinvocationPolicy": "Never"},
    "admissionregistration_v1.RuleWithOperations": {"scope": "*"},
    "admissionregistration_v1.ServiceReference": {"port": 443},
    "admissionregistration_v1.ValidatingAdmissionPolicySpec": {"failurePolicy": "Fail"},
    "admissionregistration_v1.ValidatingWebhook": WEBHOOK,
    **{
        f"admissionregistration_{version}.{name}": values
        for version in ("v1", "v1beta1", "v1alpha1")
        for name, values in PER_VERSION.items()
    },
}

HOOKS: dict[str, Any] = {}
