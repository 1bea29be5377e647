"""Patches and server-side apply over the wire: what owners end up with, and what is refused with which code."""

from __future__ import annotations

import json
from typing import Any

import pytest

JSON_PATCH = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


@pytest.fixture
def objects(api: Any, namespace: str) -> str:
    """The path of the config maps of a namespace that has one, `x`."""
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    api.make(path, {"metadata": {"name": "x"}, "data": {"a": "1"}})
    return path


def owners(obj: dict[str, Any]) -> dict[str, Any]:
    return {f"{e['manager']} {e['operation']}": e["fieldsV1"] for e in obj["metadata"].get("managedFields", [])}


def test_owners_of_every_write(api: Any, objects: str) -> None:
    first = api("GET", f"{objects}/x").body
    assert owners(first) == {"tests Update": {"f:data": {".": {}, "f:a": {}}}}
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {b: '2'}\n"
    applied = api("PATCH", f"{objects}/x?fieldManager=me", body, content_type=APPLY)
    assert applied.status == 200
    assert owners(applied.body)["me Apply"] == {"f:data": {"f:b": {}}}
    merged = api("PATCH", f"{objects}/x?fieldManager=you", {"data": {"b": "3"}}, content_type=MERGE).body
    assert owners(merged) == {
        "tests Update": {"f:data": {".": {}, "f:a": {}}},
        "you Update": {"f:data": {"f:b": {}}},
    }
    conflict = api("PATCH", f"{objects}/x?fieldManager=me", body, content_type=APPLY)
    assert conflict.status == 409
    assert conflict.body["reason"] == "Conflict"
    assert conflict.body["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "you" using v1', "field": ".data.b"}
    ]
    forced = api("PATCH", f"{objects}/x?fieldManager=me&force=true", body, content_type=APPLY)
    assert forced.body["data"] == {"a": "1", "b": "2"}
    assert "you Update" not in owners(forced.body)


def test_applying_again_stores_nothing(api: Any, objects: str) -> None:
    body = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "y"}, "data": {"k": "v"}}).encode()
    answers = [api("PATCH", f"{objects}/y?fieldManager=me", body, content_type=APPLY) for _ in range(3)]
    assert [a.status for a in answers] == [201, 200, 200]
    assert len({a.body["metadata"]["resourceVersion"] for a in answers}) == 1


def test_what_is_applied_no_longer_goes(api: Any, objects: str) -> None:
    for data in ({"k": "v", "l": "w"}, {"k": "v"}):
        config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "z"}, "data": data}
        last = api("PATCH", f"{objects}/z?fieldManager=me", json.dumps(config).encode(), content_type=APPLY).body
    assert last["data"] == {"k": "v"}


BOMB = b"a: &a [x, x, x, x, x, x, x, x, x]\n" + b"".join(
    b"%c: &%c [%b]\n" % (98 + i, 98 + i, b", ".join([b"*%c" % (97 + i)] * 9)) for i in range(12)
)


@pytest.mark.parametrize(
    ("content_type", "body", "status", "reason"),
    [
        (JSON_PATCH, [{"op": "test", "path": "/data/a", "value": "2"}], 422, "Invalid"),
        (JSON_PATCH, [{"op": "remove", "path": "/data/zzz"}], 422, "Invalid"),
        (JSON_PATCH, {"op": "remove"}, 400, "BadRequest"),
        (JSON_PATCH, [{"op": "test", "path": "/data/a", "value": "1"}] * 10_001, 413, "RequestEntityTooLarge"),
        (JSON_PATCH, b"[" * 50_000, 400, "BadRequest"),
        (MERGE, b"[]", 400, "BadRequest"),
        (MERGE, b'{"data":\xff}', 400, "BadRequest"),
        (MERGE, b'{"data":' * 50_000, 400, "BadRequest"),
        (MERGE, {"metadata": {"labels": "x"}}, 422, "Invalid"),
        (STRATEGIC, {"data": {"$patch": "explode"}}, 500, None),
        (STRATEGIC, {"metadata": {"$retainKeys": 1}}, 400, "BadRequest"),
        (APPLY, b"{not yaml", 400, "BadRequest"),
        (APPLY, BOMB, 400, "BadRequest"),
        (APPLY, b"[" * 50_000, 400, "BadRequest"),
        (APPLY, b"\xff\xfe", 400, "BadRequest"),
        (APPLY, b"apiVersion: v1\nkind: Pod\nmetadata: {name: x}", 400, "BadRequest"),
        (APPLY, b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: 7", 400, "BadRequest"),
        (APPLY, b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\nbogus: 7", 500, None),
        (STRATEGIC, {"$setElementOrder/data": 7}, 400, "BadRequest"),
        ("application/unknown", {}, 415, "UnsupportedMediaType"),
    ],
)
def test_refusals(api: Any, objects: str, content_type: str, body: Any, status: int, reason: str | None) -> None:
    answer = api("PATCH", f"{objects}/x?fieldManager=me", body, content_type=content_type)
    assert (answer.status, answer.body.get("reason")) == (status, reason), answer.body
    assert api("GET", f"{objects}/x").body["data"] == {"a": "1"}


def test_kubectl_apply_both_ways(api: Any, namespace: str) -> None:
    def kubectl(*arguments: str, stdin: str = "") -> str:
        return str(api.kubectl("-n", namespace, *arguments, stdin=stdin).stdout)

    manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: k}\ndata: {a: '1', b: '2'}\n"
    assert "created" in kubectl("apply", "-f", "-", stdin=manifest)
    assert "unchanged" in kubectl("apply", "-f", "-", stdin=manifest)
    assert "configured" in kubectl("apply", "-f", "-", stdin=manifest.replace("'2'", "'3'"))
    assert "serverside-applied" in kubectl("apply", "--server-side", "-f", "-", stdin=manifest.replace("'2'", "'4'"))
    assert kubectl("get", "cm", "k", "-o", "jsonpath={.data}") == '{"a":"1","b":"4"}'
    assert "configured" in kubectl("apply", "-f", "-", stdin=manifest.replace(", b: '2'", ""))
    assert kubectl("get", "cm", "k", "-o", "jsonpath={.data}") == '{"a":"1"}'
