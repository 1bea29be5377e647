"""The compiled schema: names, order, bounds, unknown fields, and the registry over it."""

from __future__ import annotations

import msgspec
import pytest

from sampan.api import decoding, registry, schema
from sampan.api.kinds import apiextensions_v1, core_v1, meta_v1, networking_v1

POD = registry.builtin().kind("v1", "Pod")


def test_every_definition_is_compiled() -> None:
    special = set(schema.SPECIAL)
    missing = [d for d in schema.raw_definitions() if d not in schema.load().types and d.split(".")[-1] not in special]
    assert missing == []


def test_every_kind_has_the_prefix_its_encoding_begins_with() -> None:
    for kind in registry.builtin().kinds():
        obj = kind.struct(metadata=meta_v1.ObjectMeta(name="a"))
        assert kind.encode(obj).startswith(kind.prefix), kind


def test_names_that_python_cannot_spell() -> None:
    rule = networking_v1.NetworkPolicyIngressRule(from_=[])
    assert msgspec.json.encode(rule) == b'{"from":[]}'
    props = apiextensions_v1.JSONSchemaProps(x_kubernetes_map_type="atomic", not_=apiextensions_v1.JSONSchemaProps())
    assert msgspec.json.encode(props) == b'{"not":{},"x-kubernetes-map-type":"atomic"}'


def test_unknown_fields_are_told_by_path_and_dropped() -> None:
    data = b'{"spec":{"containers":[{"name":"a"},{"imag":"x"}],"x":1,"volumes":[{"emptyDir":{"y":2}}]},"z":{}}'
    pod, unknown = decoding.decode(POD, data)
    assert unknown == ["spec.containers[1].imag", "spec.x", "spec.volumes[0].emptyDir.y", "z"]
    assert pod.spec.containers[0].name == "a"


def test_integers_are_bounded_and_null_is_absent() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"\$\.spec\.priority"):
        POD.decode(b'{"spec":{"priority":4294967296}}')
    assert POD.decode(b'{"spec":null}').spec is None


def test_fields_know_their_lists_and_merge_keys() -> None:
    containers = schema.info(core_v1.PodSpec).fields["containers"]
    assert (containers.shape, containers.merge_key, containers.list_map_keys) == ("list", "name", ("name",))
    assert containers.type is schema.info(core_v1.Container)
    assert schema.info(core_v1.PodSpec).fields["volumes"].patch_strategy == ("merge", "retainKeys")


def test_lookups() -> None:
    kinds = registry.builtin()
    deployment = kinds.resource("apps", "v1", "deployments")
    assert deployment is kinds.kind("apps/v1", "Deployment") is kinds.of(deployment.struct)
    assert deployment.key("ns", "a") == "/registry/apps/deployments/ns/a"
    assert kinds.resource("events.k8s.io", "v1", "events").key("ns", "a") == "/registry/core/events/ns/a"
    with pytest.raises(KeyError):
        kinds.kind("v9", "Pod")
    with pytest.raises(AttributeError, match="no definition 'Nope'"):
        _ = core_v1.Nope
