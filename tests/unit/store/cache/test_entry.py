"""Entries: the resourceVersion in the bytes, and what can be selected by."""

from __future__ import annotations

import json

import pytest

from sampan.store.cache import Entry, Selectable
from sampan.store.cache.entry import make, splice
from sampan.store.cache.projection import Projection

FIELDS = {
    "spec.nodeName": Selectable(("spec.nodeName",)),
    "spec.hostNetwork": Selectable(("spec.hostNetwork",), default="false"),
    "source": Selectable(("source.component", "reportingComponent")),
    "count": Selectable(("count",)),
}


def entry(value: dict, fields=FIELDS) -> Entry:
    return make("/registry/core/pods/default/a", json.dumps(value).replace(": ", ":").encode(), 7, Projection(fields))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b'{"kind":"A","metadata":{"name":"a"}}', b'{"kind":"A","metadata":{"resourceVersion":"12","name":"a"}}'),
        (b'{"metadata":{},"x":1}', b'{"metadata":{"resourceVersion":"12"},"x":1}'),
        (
            b'{"metadata":{"name":"a"},"spec":{"metadata":{"name":"b"}}}',
            b'{"metadata":{"resourceVersion":"12","name":"a"},"spec":{"metadata":{"name":"b"}}}',
        ),
        (b"{}", b"{}"),
    ],
)
def test_the_resource_version_is_spliced_into_the_objects_own_metadata(value: bytes, expected: bytes) -> None:
    assert splice(value, 12) == expected


def test_a_state_can_be_had_with_another_resource_version() -> None:
    old = entry({"metadata": {"name": "a", "annotations": {"x": '"resourceVersion":"7"'}}})
    new = old.at(100)
    assert new.revision == 100
    assert json.loads(new.data)["metadata"] == {
        "resourceVersion": "100",
        "name": "a",
        "annotations": {"x": '"resourceVersion":"7"'},
    }


def test_parts_of_the_key() -> None:
    one = entry({"metadata": {}})
    assert (one.namespace, one.name) == ("default", "a")
    cluster = make("/registry/core/nodes/n", b'{"metadata":{"name":"n"}}', 7, Projection())
    assert (cluster.namespace, cluster.name) == ("", "n")


def test_selectable_fields_as_text() -> None:
    one = entry({"metadata": {}, "spec": {"nodeName": "n", "hostNetwork": True}, "reportingComponent": "k", "count": 3})
    assert one.fields == {
        "metadata.name": "a",
        "metadata.namespace": "default",
        "spec.nodeName": "n",
        "spec.hostNetwork": "true",
        "source": "k",
        "count": "3",
    }


def test_unset_fields_read_as_their_defaults() -> None:
    for value in ({}, {"spec": None}, {"spec": {"nodeName": None}}):
        one = entry({"metadata": {}, **value})
        assert (one.field("spec.nodeName"), one.field("spec.hostNetwork"), one.field("source")) == ("", "false", "")


def test_labels_of_every_form() -> None:
    assert entry({"metadata": {"labels": {"a": "b"}}}).labels == {"a": "b"}
    for metadata in ({}, {"labels": None}, {"labels": {}}):
        assert entry({"metadata": metadata}).labels == {}


def test_decoding_happens_once_and_only_on_demand() -> None:
    one = entry({"metadata": {"labels": {"a": "b"}}})
    assert one.decoded is None
    assert one.labels is one.labels
    with pytest.raises(KeyError):
        one.field("spec.unknown")


@pytest.mark.parametrize("value", [b"\x00\x01", b"[]", b'{"metadata":[1],"spec":"x"}', b'{"metadata":null}'])
def test_what_is_no_object_has_nothing_set(value: bytes) -> None:
    broken = make("/registry/core/pods/default/a", value, 7, Projection(FIELDS))
    assert (broken.data, broken.labels, broken.field("spec.nodeName")) == (value, {}, "")
