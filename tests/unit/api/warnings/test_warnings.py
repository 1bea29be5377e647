"""What is allowed and yet warned of."""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.api import defaults, registry, warnings


def warned(api_version: str, kind: str, document: dict[str, Any]) -> list[str]:
    found = registry.builtin().kind(api_version, kind)
    obj = found.decode(msgspec.json.encode({"metadata": {"name": "a"}, **document}))
    defaults.apply(found, obj)
    return warnings.create(found, obj)


def pod(**spec: Any) -> list[str]:
    containers = spec.pop("containers", [{"name": "c", "image": "i:1"}])
    return warned("v1", "Pod", {"spec": {"containers": containers, **spec}})


def test_an_ordinary_pod_is_not_warned_of() -> None:
    assert pod(volumes=[{"name": "v", "emptyDir": {}}]) == []


def test_a_variable_that_hides_another() -> None:
    env = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
    text = 'hides previous definition of "A", which may be dropped when using apply'
    assert pod(containers=[{"name": "c", "image": "i:1", "env": env}]) == [f"spec.containers[0].env[1]: {text}"]


def test_ports_that_are_the_same() -> None:
    ports = [{"containerPort": 80}, {"containerPort": 80}]
    text = "duplicate port definition with spec.containers[0].ports[0]"
    assert pod(containers=[{"name": "c", "image": "i:1", "ports": ports}]) == [f"spec.containers[0].ports[1]: {text}"]


def test_old_labels_and_volumes() -> None:
    assert pod(nodeSelector={"beta.kubernetes.io/os": "linux"}) == [
        'spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead'
    ]
    assert pod(volumes=[{"name": "v", "glusterfs": {"endpoints": "e", "path": "p"}}]) == [
        "spec.volumes[0].glusterfs: deprecated in v1.25, non-functional in v1.26+"
    ]


def test_half_a_byte() -> None:
    container = {"name": "c", "image": "i:1", "resources": {"requests": {"memory": "100m"}}}
    text = 'fractional byte value "100m" is invalid, must be an integer'
    assert pod(containers=[container]) == [f"spec.containers[0].resources.requests[memory]: {text}"]


def test_services() -> None:
    spec = {"ports": [{"port": 80}], "trafficDistribution": "PreferClose"}
    text = 'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"'
    assert warned("v1", "Service", {"spec": spec}) == [text]


def test_templates_are_told_where_they_are() -> None:
    template = {"spec": {"nodeSelector": {"beta.kubernetes.io/arch": "x"}, "containers": [{"name": "c", "image": "i"}]}}
    text = 'deprecated since v1.14; use "kubernetes.io/arch" instead'
    path = "spec.template.spec.nodeSelector[beta.kubernetes.io/arch]"
    assert warned("apps/v1", "DaemonSet", {"spec": {"template": template}}) == [f"{path}: {text}"]
