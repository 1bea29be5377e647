"""The tables of field numbers: which types and fields of the schema they lack, and what came after v1.33."""

from __future__ import annotations

from typing import Any

import pytest

from sampan.api import schema
from sampan.codec import protobuf
from sampan.codec.protobuf import plan

from .messages import block, body, entry, whole

# What has no number in our tables, and why. A type is named alone, a field as `core_v1.Pod.spec`.
GAPS = {
    "version.Info": "the answer of /version, which upstream gives in JSON only: no protobuf form exists",
}

TYPE_META = {"kind", "apiVersion"}


def names(layout: plan.Plan) -> set[str]:
    found: set[str] = set()
    for slot in layout.values():
        found |= names(slot.plan) if slot.shape == "embedded" else {slot.name}
    return found


def gaps() -> set[str]:
    found: set[str] = set()
    for definition, info in schema.load().types.items():
        name = f"{schema.namespace_of(definition)}.{info.name}".removeprefix("pkg_")
        layout = plan.of(definition)
        if layout is None:
            found.add(name)
            continue
        # A kind's own name stands in the envelope, not in its message.
        wanted = set(info.fields) - (TYPE_META if info.kinds else set())
        found |= {f"{name}.{field}" for field in wanted - names(layout)}
    return found


def test_the_gaps_are_those_we_know() -> None:
    assert gaps() == set(GAPS)


def test_no_number_is_given_twice() -> None:
    """A table that names a number twice would silently lose the first."""
    for definition, info in schema.load().types.items():
        line = plan._lines(schema.namespace_of(definition)).get(info.name)
        if line is None:
            continue
        level: list[list[str]] = [[]]
        for _, number, embedded, closed in plan.TOKEN.findall(line):
            if closed:
                numbers = level.pop()
                assert len(numbers) == len(set(numbers)), definition
            else:
                level[-1].append(number or embedded)
                if embedded:
                    level.append([])
        assert len(level) == 1 and len(level[0]) == len(set(level[0])), definition


def test_every_token_of_a_line_is_read() -> None:
    """What the expression does not match it would skip."""
    for definition in schema.load().types:
        for name, line in plan._lines(schema.namespace_of(definition)).items():
            assert plan.TOKEN.sub("", line).strip() == "", name


# Numbers of fields that are newer than v1.33, by hand from the published .proto files and Go struct tags of v1.36.
SPEC = 2
STATUS = 3
NEWER: list[tuple[str, str, bytes, dict[str, Any]]] = [
    ("v1", "Pod", block(SPEC, block(41, "other")), {"spec": {"hostnameOverride": "other"}}),
    ("v1", "Pod", block(SPEC, block(43, block(1, "pg"))), {"spec": {"schedulingGroup": {"podGroupName": "pg"}}}),
    (
        "v1",
        "Pod",
        block(SPEC, block(2, block(25, block(1, "Restart"), block(2, block(1, "In"), whole(2, 42), whole(2, 43))))),
        {
            "spec": {
                "containers": [
                    {"restartPolicyRules": [{"action": "Restart", "exitCodes": {"operator": "In", "values": [42, 43]}}]}
                ]
            }
        },
    ),
    (
        "v1",
        "Pod",
        block(SPEC, block(34, block(1, block(25, block(1, "Restart"))), block(2, "app"))),
        {
            "spec": {
                "ephemeralContainers": [{"restartPolicyRules": [{"action": "Restart"}], "targetContainerName": "app"}]
            }
        },
    ),
    (
        "v1",
        "Pod",
        block(SPEC, block(2, block(7, block(3, block(5, block(1, "vol"), block(2, "env"), block(3, "KEY")))))),
        {
            "spec": {
                "containers": [
                    {"env": [{"valueFrom": {"fileKeyRef": {"volumeName": "vol", "path": "env", "key": "KEY"}}}]}
                ]
            }
        },
    ),
    (
        "v1",
        "Pod",
        block(STATUS, entry(19, "cpu", block(1, "2")), block(21, block(1, "claim"), entry(3, "cpu", block(1, "1")))),
        {
            "status": {
                "allocatedResources": {"cpu": "2"},
                "nodeAllocatableResourceClaimStatuses": [{"resourceClaimName": "claim", "resources": {"cpu": "1"}}],
            }
        },
    ),
    ("v1", "Node", block(STATUS, block(14, "A"), block(14, "B")), {"status": {"declaredFeatures": ["A", "B"]}}),
    (
        "v1",
        "PodList",
        block(1, block(5, block(1, "shardRange(object.metadata.uid)"))),
        {"metadata": {"shardInfo": {"selector": "shardRange(object.metadata.uid)"}}},
    ),
    (
        "storage.k8s.io/v1",
        "CSIDriver",
        block(SPEC, whole(10, 1), whole(11, 0)),
        {"spec": {"serviceAccountTokenInSecrets": True, "preventPodSchedulingIfMissing": False}},
    ),
    (
        "certificates.k8s.io/v1beta1",
        "PodCertificateRequest",
        block(SPEC, block(1, "s/x"), block(12, b"\x30"), entry(11, "a/b", b"c")),
        {"spec": {"signerName": "s/x", "stubPKCS10Request": "MA==", "unverifiedUserAnnotations": {"a/b": "c"}}},
    ),
    (
        "scheduling.k8s.io/v1alpha2",
        "PodGroup",
        block(SPEC, block(2, block(2, whole(1, 3))), block(5, "Pod"), block(6, "high"), whole(7, 9)),
        {
            "spec": {
                "schedulingPolicy": {"gang": {"minCount": 3}},
                "disruptionMode": "Pod",
                "priorityClassName": "high",
                "priority": 9,
            }
        },
    ),
    (
        "scheduling.k8s.io/v1alpha2",
        "Workload",
        block(SPEC, block(2, block(1, "t"), block(2, block(1)))),
        {"spec": {"podGroupTemplates": [{"name": "t", "schedulingPolicy": {"basic": {}}}]}},
    ),
    (
        "resource.k8s.io/v1",
        "ResourceSlice",
        block(SPEC, block(6, entry(2, "n", whole(6, 1) + whole(6, 2)), whole(9, 1), entry(13, "cpu", block(1, "k")))),
        {
            "spec": {
                "devices": [
                    {
                        "attributes": {"n": {"ints": [1, 2]}},
                        "bindsToNode": True,
                        "nodeAllocatableResourceMappings": {"cpu": {"capacityKey": "k"}},
                    }
                ]
            }
        },
    ),
    (
        "resource.k8s.io/v1beta1",
        "ResourceClaim",
        block(SPEC, block(1, block(1, block(1, "r"), block(9, entry(1, "memory", block(1, "1Gi")))))),
        {"spec": {"devices": {"requests": [{"name": "r", "capacity": {"requests": {"memory": "1Gi"}}}]}}},
    ),
    (
        "resource.k8s.io/v1alpha3",
        "ResourcePoolStatusRequest",
        block(STATUS, whole(6, 1), block(2, block(1, "d"), block(2, "p"), whole(8, 2), whole(9, 4), block(10, "no"))),
        {
            "status": {
                "poolCount": 1,
                "pools": [
                    {
                        "driver": "d",
                        "poolName": "p",
                        "resourceSliceCount": 2,
                        "generation": 4,
                        "validationError": "no",
                    }
                ],
            }
        },
    ),
    (
        "storagemigration.k8s.io/v1beta1",
        "StorageVersionMigration",
        block(SPEC, block(1, block(1, "apps"), block(2, "deployments"))),
        {"spec": {"resource": {"group": "apps", "resource": "deployments"}}},
    ),
    (
        "apiregistration.k8s.io/v1",
        "APIService",
        block(
            SPEC,
            block(1, block(1, "ns"), block(2, "svc"), whole(3, 443)),
            block(5, b"\x01"),
            whole(7, 100),
            whole(8, 15),
        ),
        {
            "spec": {
                "service": {"namespace": "ns", "name": "svc", "port": 443},
                "caBundle": "AQ==",
                "groupPriorityMinimum": 100,
                "versionPriority": 15,
            }
        },
    ),
]


@pytest.mark.parametrize(
    ("api_version", "kind", "content", "expected"), NEWER, ids=lambda v: v if isinstance(v, str) else ""
)
def test_what_came_after_v1_33(api_version: str, kind: str, content: bytes, expected: dict[str, Any]) -> None:
    value = protobuf.decode(body(api_version, kind, content))
    assert value == {"apiVersion": api_version, "kind": kind, **expected}
