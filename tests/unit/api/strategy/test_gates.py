"""Fields whose gates are off by default are dropped, unless the object has them already."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest

from sampan.api import registry, strategy
from sampan.api.strategy.gates import OFF, drop_disabled

VALUES: dict[str, Any] = {
    "attributes": {},
    "bools": [True],
    "disruptionMode": "Pod",
    "ints": [1],
    "nodeAllocatableResourceMappings": {"cpu": {}},
    "preferredHolder": "h",
    "preventPodSchedulingIfMissing": True,
    "priority": 1,
    "priorityClassName": "p",
    "resourceClaims": [{"name": "c"}],
    "schedulingConstraints": {"topology": [{"key": "zone"}]},
    "schedulingGroup": {"podGroupName": "g"},
    "strategy": "OldestEmulationVersion",
    "strings": ["s"],
    "versions": ["1.2.3"],
}
ROWS = [(group, kind, path) for (group, kind), paths in OFF.items() for path in paths if ".basic." not in path]


def with_field(path: str, value: Any) -> dict[str, Any]:
    """A document in which the path leads to the value: lists and maps on the way have one element."""
    *places, field = path.split(".")
    inner: Any = {field: value}
    for place in reversed(places):
        name = place.rstrip("[]{}")
        inner = {name: [inner] if place.endswith("[]") else {"k": inner} if place.endswith("{}") else inner}
    return {"metadata": {"name": "x"}, **inner}


def built(group: str, name: str, document: dict[str, Any]) -> tuple[Any, Any]:
    kind = next(k for k in registry.builtin().kinds() if (k.group, k.kind) == (group, name))
    return kind, kind.decode(msgspec.json.encode(document))


def told(obj: Any) -> str:
    return msgspec.json.encode(obj).decode()


@pytest.mark.parametrize(("group", "name", "path"), ROWS, ids=[f"{kind} {path}" for _, kind, path in ROWS])
def test_a_new_one_is_dropped_and_an_old_one_stays(group: str, name: str, path: str) -> None:
    field = path.rpartition(".")[2]
    kind, new = built(group, name, with_field(path, VALUES[field]))
    had, without = copy.deepcopy(new), built(group, name, with_field(path, None))[1]
    assert f'"{field}":' in told(new)
    drop_disabled(kind, new, had)
    assert f'"{field}":' in told(new)
    drop_disabled(kind, new, without)
    assert f'"{field}":' not in told(new)


def test_creating_and_updating_drop_them() -> None:
    document = {"metadata": {"name": "p"}, "spec": {"containers": [], "schedulingGroup": {"podGroupName": "g"}}}
    kind, pod = built("", "Pod", document)
    strategy.prepare_create(kind, pod)
    assert pod.spec.schedulingGroup is None
    changed = built("", "Pod", document)[1]
    strategy.prepare_update(kind, changed, pod, now=0.0)
    assert changed.spec.schedulingGroup is None
