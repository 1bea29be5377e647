"""Lists, pages, selectors, tables and watches."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
METADATA = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"


@pytest.fixture
def maps(api: Any, namespace: str) -> str:
    """The path of a collection of seven: c0 to c6, each with its number and whether it is even."""
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    for number in range(7):
        labels = {"i": str(number), "parity": ("even", "odd")[number % 2]}
        api.make(path, {"metadata": {"name": f"c{number}", "labels": labels}})
    return path


def names(body: Any) -> list[str]:
    return [item["metadata"]["name"] for item in body["items"]]


def test_list_is_in_order_and_without_types_of_items(api: Any, maps: str) -> None:
    body = api("GET", maps).body
    assert (body["kind"], body["apiVersion"]) == ("ConfigMapList", "v1")
    assert names(body) == [f"c{n}" for n in range(7)]
    assert all("kind" not in item and "apiVersion" not in item for item in body["items"])


def test_pages_are_of_one_revision(api: Any, maps: str) -> None:
    first = api("GET", maps + "?limit=3").body
    assert first["metadata"]["remainingItemCount"] == 4
    api("DELETE", maps + "/c5")
    api.make(maps, {"metadata": {"name": "c55"}})
    seen = names(first)
    page = first
    while page["metadata"].get("continue"):
        page = api("GET", f"{maps}?limit=3&continue={page['metadata']['continue']}").body
        assert page["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
        seen += names(page)
    assert seen == [f"c{n}" for n in range(7)]


def test_exact_revision(api: Any, maps: str) -> None:
    before = api("GET", maps).body["metadata"]["resourceVersion"]
    api("DELETE", maps + "/c0")
    exact = api("GET", f"{maps}?resourceVersion={before}&resourceVersionMatch=Exact").body
    assert names(exact) == [f"c{n}" for n in range(7)]
    newer = api("GET", f"{maps}?resourceVersion={before}&resourceVersionMatch=NotOlderThan").body
    assert "c0" not in names(newer)


@pytest.mark.parametrize(
    "selector, wanted",
    [
        ("parity=even", "0246"),
        ("parity!=even", "135"),
        ("parity in (odd), i notin (1)", "35"),
        ("!parity", ""),
        ("i", "0123456"),
    ],
)
def test_label_selectors(api: Any, maps: str, selector: str, wanted: str) -> None:
    from urllib.parse import quote

    assert names(api("GET", f"{maps}?labelSelector={quote(selector)}").body) == [f"c{n}" for n in wanted]


def test_field_selectors(api: Any, maps: str) -> None:
    assert names(api("GET", maps + "?fieldSelector=metadata.name%3Dc2").body) == ["c2"]
    assert "c2" not in names(api("GET", maps + "?fieldSelector=metadata.name!%3Dc2").body)
    answer = api("GET", maps + "?fieldSelector=data.k%3D1")
    assert (answer.status, answer.body["reason"]) == (400, "BadRequest")


@pytest.mark.parametrize(
    "query, status, reason",
    [
        ("limit=abc", 400, "BadRequest"),
        ("continue=garbage", 400, "BadRequest"),
        ("resourceVersion=abc", 400, "BadRequest"),
        ("resourceVersion=999999999", 504, "Timeout"),
        ("resourceVersionMatch=Exact", 422, "Invalid"),
        ("resourceVersion=0&resourceVersionMatch=Exact", 422, "Invalid"),
        ("sendInitialEvents=true", 422, "Invalid"),
        ("watch=true&sendInitialEvents=true", 422, "Invalid"),
        ("labelSelector=,", 400, "BadRequest"),
    ],
)
def test_bad_options(api: Any, maps: str, query: str, status: int, reason: str) -> None:
    answer = api("GET", f"{maps}?{query}")
    assert (answer.status, answer.body["reason"]) == (status, reason)


def test_table(api: Any, maps: str) -> None:
    table = api("GET", maps + "?limit=2", accept=TABLE).body
    assert table["kind"] == "Table"
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert [row["cells"][:2] for row in table["rows"]] == [["c0", 0], ["c1", 0]]
    assert {row["object"]["kind"] for row in table["rows"]} == {"PartialObjectMetadata"}


def test_metadata_alone(api: Any, maps: str) -> None:
    body = api("GET", maps, accept=METADATA).body
    assert body["kind"] == "PartialObjectMetadataList"
    assert set(body["items"][0]) == {"kind", "apiVersion", "metadata"}


def test_gzip_where_asked_and_worth_it(api: Any, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    api.make(path, {"metadata": {"name": "big"}, "data": {"k": "x" * 200_000}})
    answer, data = api.raw(path, Accept_Encoding="gzip")
    assert answer.headers["content-encoding"] == "gzip"
    assert len(json.loads(gzip.decompress(data))["items"][0]["data"]["k"]) == 200_000


def test_watch_from_a_revision_sees_every_change_in_order(api: Any, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    start = api("GET", path).body["metadata"]["resourceVersion"]
    api.make(path, {"metadata": {"name": "a", "labels": {"i": "1"}}})
    merge = "application/merge-patch+json"
    api("PATCH", path + "/a", {"metadata": {"labels": {"i": "2"}}}, content_type=merge)
    api("DELETE", path + "/a")
    events = api.watch(f"{path}?watch=true&resourceVersion={start}&timeoutSeconds=1")
    assert [e["type"] for e in events] == ["ADDED", "MODIFIED", "DELETED"]
    versions = [int(e["object"]["metadata"]["resourceVersion"]) for e in events]
    assert versions == sorted(set(versions))
    selected = api.watch(f"{path}?watch=true&resourceVersion={start}&timeoutSeconds=1&labelSelector=i%3D1")
    assert [e["type"] for e in selected] == ["ADDED", "DELETED"]


def test_watch_without_a_revision_begins_with_the_state(api: Any, maps: str) -> None:
    events = api.watch(maps + "?watch=true&timeoutSeconds=1")
    assert [e["type"] for e in events] == ["ADDED"] * 7


def test_streaming_list_ends_with_a_bookmark(api: Any, maps: str) -> None:
    query = (
        "watch=true&timeoutSeconds=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    )
    events = api.watch(f"{maps}?{query}")
    assert [e["type"] for e in events] == ["ADDED"] * 7 + ["BOOKMARK"]
    assert events[-1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_watch_as_table_names_its_columns_once(api: Any, maps: str) -> None:
    answer = api("GET", maps + "?watch=true&timeoutSeconds=1", accept=TABLE)
    tables = [json.loads(line)["object"] for line in answer.body.splitlines()]
    assert [table["columnDefinitions"] is None for table in tables] == [False] + [True] * 6


def test_pods_of_a_node(api: Any, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods"
    for number in range(4):
        spec = {"containers": [{"name": "c", "image": "i"}], "nodeName": f"n{number % 2}"}
        api.make(path, {"metadata": {"name": f"p{number}"}, "spec": spec})
    assert names(api("GET", path + "?fieldSelector=spec.nodeName%3Dn1").body) == ["p1", "p3"]
    events = api.watch(path + "?watch=true&timeoutSeconds=1&fieldSelector=spec.nodeName%3Dn0")
    assert [e["object"]["metadata"]["name"] for e in events] == ["p0", "p2"]
