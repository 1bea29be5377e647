"""Entries of managedFields: reading, ordering, capping, naming."""

from __future__ import annotations

from typing import Any

import pytest

from sampan.api import registry
from sampan.api.kinds import core_v1, meta_v1
from sampan.codec import apply as codec
from sampan.codec.apply import managers
from sampan.codec.apply.managers import ANCIENT, APPLY, UPDATE, Owned, owner


def entry(**fields: Any) -> Any:
    known = {
        "manager": "m",
        "operation": "Update",
        "apiVersion": "v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:a": {}},
    }
    return meta_v1.ManagedFieldsEntry(**(known | fields))


def test_there_and_back() -> None:
    entries = [
        entry(manager="z", operation="Apply", time="2026-01-01T00:00:01Z"),
        entry(manager="b", time=None),
        entry(manager="c", time="2026-01-01T00:00:00Z"),
        entry(manager="a", time="2026-01-01T00:00:05Z", subresource="status"),
    ]
    assert managers.encode(managers.decode(list(reversed(entries)))) == entries
    assert managers.encode(managers.trusted(entries)) == entries
    assert managers.encode({}) is None


def test_appliers_are_one_whatever_their_version() -> None:
    assert owner("m", APPLY, "", "v1") == owner("m", APPLY, "", "v2")
    assert owner("m", UPDATE, "", "v1") != owner("m", UPDATE, "", "v2")
    assert owner("m", UPDATE, "", "v1") != owner("m", UPDATE, "status", "v1")


@pytest.mark.parametrize("fields", [{"fieldsType": "FieldsV2"}, {"fieldsV1": {"x": {}}}, {"fieldsV1": [1]}])
def test_what_cannot_be_read(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="are not FieldsV1"):
        managers.decode([entry(**fields)])


def test_the_oldest_updaters_are_put_together() -> None:
    state = {
        owner(f"m{number:02}", UPDATE, "", "v1"): Owned({f"f:{number}": {}}, "v1", f"2026-01-01T00:00:{number:02}Z")
        for number in range(13)
    }
    state[owner("applier", APPLY, "", "v1")] = Owned({"f:x": {}}, "v1", None)
    managers.cap(state)
    bucket = state[owner(ANCIENT, UPDATE, "", "v1")]
    assert sum(o.operation == UPDATE for o in state) == 10
    assert bucket.fields == {f"f:{n}": {} for n in range(4)}
    assert bucket.time == "2026-01-01T00:00:03Z"
    assert owner("m04", UPDATE, "", "v1") in state
    assert owner("m03", UPDATE, "", "v1") not in state
    managers.cap(state)
    assert len(state) == 11


def test_versions_are_put_together_apart() -> None:
    state = {
        owner(f"m{number:02}", UPDATE, "", f"v{number % 2}"): Owned({f"f:{number}": {}}, f"v{number % 2}", None)
        for number in range(12)
    }
    managers.cap(state)
    assert {o.version for o in state if o.manager == ANCIENT} == {"v0", "v1"}
    assert sum(o.operation == UPDATE for o in state) == 10


def test_names_in_messages() -> None:
    assert managers.name_of(owner("a", APPLY, "", "v1")) == '"a"'
    assert managers.name_of(owner('k"', UPDATE, "", "apps/v1")) == '"k\\"" using apps/v1'
    assert managers.name_of(owner("k", UPDATE, "status", "v1")) == '"k" with subresource "status" using v1'


def test_whoever_gave_no_name_may_own_beside_others() -> None:
    """A client without User-Agent has none."""
    kind = registry.builtin().kind("v1", "ConfigMap")
    entries = [entry(manager=None, fieldsV1={"f:data": {"f:a": {}}}), entry(fieldsV1={"f:data": {"f:b": {}}})]
    live = core_v1.ConfigMap(
        metadata=meta_v1.ObjectMeta(name="c", namespace="n", uid="u", managedFields=entries), data={"a": "1", "b": "1"}
    )
    wanted = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "2"}}
    made = codec.apply(kind, live, wanted, manager="x", now=0.0, force=True)
    assert (made.data, [one.manager for one in made.metadata.managedFields]) == ({"a": "2", "b": "1"}, ["x", "m"])
