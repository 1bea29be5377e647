"""What each status endpoint refuses: (kind, status before, status sent, all that is wrong), a row each."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sampan.api import defaults, registry, strategy, validation

NOW = "2026-01-01T00:00:00Z"
Document = dict[str, Any]


def condition(kind: str, status: str = "True", **more: Any) -> Document:
    return {"type": kind, "status": status, "reason": "R", "message": "m", "lastTransitionTime": NOW, **more}


CSR = "certificates.k8s.io/v1 CertificateSigningRequest"
POD_REQUEST = "certificates.k8s.io/v1beta1 PodCertificateRequest"
MIGRATION = "storagemigration.k8s.io/v1beta1 StorageVersionMigration"
STORAGE = "internal.apiserver.k8s.io/v1alpha1 StorageVersion"
TAINT = "resource.k8s.io/v1alpha3 DeviceTaintRule"
FLOW = "flowcontrol.apiserver.k8s.io/v1 FlowSchema"
LEVEL = "flowcontrol.apiserver.k8s.io/v1 PriorityLevelConfiguration"
SERVICE = "apiregistration.k8s.io/v1 APIService"
BUDGET = "policy/v1 PodDisruptionBudget"
POLICY = "admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy"
ATTACHMENT = "storage.k8s.io/v1 VolumeAttachment"
POOLS = "resource.k8s.io/v1alpha3 ResourcePoolStatusRequest"
ROWS: list[tuple[str, str, Document, Document, list[str]]] = [
    (CSR, "status", {}, {"conditions": [condition("Failed")]}, []),
    (
        CSR,
        "status",
        {},
        {"conditions": [condition("Approved")]},
        ['status.conditions: Forbidden: updates may not add a condition of type "Approved"'],
    ),
    (
        CSR,
        "status",
        {"conditions": [condition("Approved"), condition("Failed")]},
        {"conditions": []},
        [
            'status.conditions: Forbidden: updates may not remove a condition of type "Approved"',
            'status.conditions: Forbidden: updates may not remove a condition of type "Failed"',
        ],
    ),
    (
        CSR,
        "approval",
        {},
        {"conditions": [condition("Approved", "False"), condition("Denied"), condition("Denied"), {"type": "X"}]},
        [
            'status.conditions[0].status: Unsupported value: "False": supported values: "True"',
            'status.conditions[1].type: Invalid value: "Denied": Approved and Denied conditions are mutually exclusive',
            'status.conditions[2].type: Invalid value: "Denied": Approved and Denied conditions are mutually exclusive',
            'status.conditions[2].type: Duplicate value: "Denied"',
            "status.conditions[3].status: Required value",
        ],
    ),
    (
        CSR,
        "status",
        {"certificate": "QQ=="},
        {"certificate": "Qg=="},
        [
            'status.certificate: Invalid value: "<certificate data>": must contain at least one CERTIFICATE PEM block',
            "status.certificate: Forbidden: updates may not modify existing certificate content",
        ],
    ),
    (
        POD_REQUEST,
        "status",
        {},
        {"conditions": [condition("Denied"), condition("Failed", "False"), condition("Other")]},
        [
            'status.conditions[1].type: Invalid value: "Failed": There may be at most one condition with type '
            '"Issued", "Denied", or "Failed"',
            'status.conditions[1].status: Unsupported value: "False": supported values: "True"',
            'status.conditions[2].type: Unsupported value: "Other": supported values: "Denied", "Failed", "Issued"',
        ],
    ),
    (POD_REQUEST, "status", {}, {"conditions": [condition("Denied")]}, []),
    (
        MIGRATION,
        "status",
        {"resourceVersion": "5", "conditions": [condition("Succeeded")]},
        {"resourceVersion": "x", "conditions": [condition("Failed"), condition("Running")]},
        [
            'status.resourceVersion: Invalid value: "x": resource version is not well formed: x',
            'status.resourceVersion: Invalid value: "x": field is immutable',
            "status.conditions: Invalid value: Running condition cannot be true when failed condition is true",
            "status.conditions: Invalid value: Success condition cannot be set to false once it is true",
        ],
    ),
    (
        STORAGE,
        "status",
        {},
        {
            "commonEncodingVersion": "v2",
            "storageVersions": [{"apiServerID": "a", "encodingVersion": "v1", "decodableVersions": ["v2", "/v3"]}],
            "conditions": [condition("A"), condition("A", reason="")],
        },
        [
            'status.storageVersions[0].decodableVersions[1]: Invalid value: "/v3": group part: must be non-empty',
            'status.storageVersions[0].decodableVersions: Invalid value: ["v2","/v3"]: decodableVersions must include '
            "encodingVersion v1",
            'status.commonEncodingVersion: Invalid value: "v2": the actual common encoding version is v1',
            'status[1].type: Invalid value: "A": the type of the condition is not unique, it also appears in '
            "conditions[0]",
            "status[1].reason: Required value: reason cannot be empty",
        ],
    ),
    (
        TAINT,
        "status",
        {},
        {"conditions": [condition("A", "Maybe", observedGeneration=-1), condition("A", reason="1"), {"type": "B"}]},
        [
            'status.conditions[0].status: Unsupported value: "Maybe": supported values: "False", "True", "Unknown"',
            "status.conditions[0].observedGeneration: Invalid value: -1: must be greater than or equal to zero",
            'status.conditions[1].type: Duplicate value: "A"',
            'status.conditions[1].reason: Invalid value: "1": a condition reason must start with alphabetic character',
            'status.conditions[2].status: Unsupported value: "": supported values: "False", "True", "Unknown"',
            "status.conditions[2].lastTransitionTime: Required value",
            "status.conditions[2].reason: Required value",
        ],
    ),
    (
        POOLS,
        "status",
        {"conditions": [condition("A")]},
        {"conditions": [condition("B")]},
        ["status: Invalid value: field is immutable"],
    ),
    (
        FLOW,
        "status",
        {},
        {"conditions": [{"type": "A"}, {"type": "A"}, {"type": ""}]},
        [
            'status.conditions[1].type: Duplicate value: "A"',
            "status.conditions[2].type: Required value: must not be empty",
        ],
    ),
    (LEVEL, "status", {}, {"conditions": [{}]}, ["status.conditions[0].type: Required value: must not be empty"]),
    (
        SERVICE,
        "status",
        {},
        {"conditions": [{"type": "Available", "status": "true"}]},
        ['status.conditions[0].status: Unsupported value: "true": supported values: "False", "True", "Unknown"'],
    ),
    (
        BUDGET,
        "status",
        {},
        {"conditions": [condition("A"), condition("A")], "currentHealthy": -1},
        [
            'status.conditions[1].type: Duplicate value: "A"',
            "status.currentHealthy: Invalid value: -1: must be greater than or equal to 0",
        ],
    ),
    (
        POLICY,
        "status",
        {},
        {
            "typeChecking": {"expressionWarnings": [{"fieldRef": " ", "warning": ""}]},
            "conditions": [condition("A", "")],
        },
        [
            "status.typeChecking.expressionWarnings[0].warning: Required value",
            "status.typeChecking.expressionWarnings[0].fieldRef: Required value",
            'status.conditions[0].status: Unsupported value: "": supported values: "False", "True", "Unknown"',
        ],
    ),
    (
        ATTACHMENT,
        "status",
        {},
        {
            "attachmentMetadata": {"a": "b" * 262144},
            "attachError": {"message": "m" * 1025},
            "detachError": {"errorCode": -1},
        },
        [
            "status.attachmentMetadata: Too long: may not be more than 262144 bytes",
            "status.attachError.message: Too long: may not be more than 1024 bytes",
            "status.detachError.errorCode: Invalid value: -1: must be between 0 and 2147483647, inclusive",
        ],
    ),
]


def decoded(kind: registry.Kind, status: Document) -> Any:
    metadata = {"name": "x", "resourceVersion": "1"}
    obj = kind.decode(
        msgspec.json.encode({"metadata": metadata, "status": status} if status else {"metadata": metadata})
    )
    defaults.apply(kind, obj)
    return obj


def short(text: str) -> str:
    """A message without the values and regular expressions that fill pages."""
    field, _, message = text.partition(": ")
    if message.startswith(("Invalid value: {", "Invalid value: [{")):
        message = "Invalid value: " + message.rpartition(": ")[2]
    return f"{field}: {message}".split(", optionally followed by")[0]


@pytest.mark.parametrize(("name", "subresource", "before", "sent", "wrong"), ROWS)
def test_a_status_is_judged(name: str, subresource: str, before: Document, sent: Document, wrong: list[str]) -> None:
    kind = registry.builtin().kind(*name.split(" "))
    old, new = decoded(kind, before), decoded(kind, sent)
    strategy.prepare_update(kind, new, old, subresource, now=0.0)
    assert [short(str(e)) for e in validation.update(kind, new, old, subresource)] == wrong
