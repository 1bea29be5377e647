"""The forms of answers, of lists and watches alike; methods that are none; what browsers are not told."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
import yaml

META = "v=v1;g=meta.k8s.io"
TABLE = f"application/json;as=Table;{META}"
PARTIAL = f"application/json;as=PartialObjectMetadata;{META}"
PARTIAL_LIST = f"application/json;as=PartialObjectMetadataList;{META}"
BOOKMARKED = "sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan"
WATCH = "watch=true&timeoutSeconds=1"
MERGE = "application/merge-patch+json"


@pytest.fixture
def maps(api: Any, namespace: str) -> str:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    for name in ("a", "b"):
        api.make(path, {"metadata": {"name": name, "labels": {"l": name}}, "data": {"k": "v"}})
    return path


def events(api: Any, path: str, accept: str) -> list[dict[str, Any]]:
    answer = api("GET", path, accept=accept)
    assert answer.status == 200, answer.body
    return [json.loads(line) for line in answer.body.splitlines()]


def change_all(api: Any, maps: str) -> str:
    """Add, modify and delete, from the revision that is given back on."""
    began = api("GET", maps).body["metadata"]["resourceVersion"]
    api.make(maps, {"metadata": {"name": "c"}})
    api("PATCH", f"{maps}/c", {"data": {"n": "1"}}, content_type=MERGE)
    api("DELETE", f"{maps}/c")
    return str(began)


def test_watch_as_table(api: Any, maps: str) -> None:
    began = change_all(api, maps)
    seen = events(api, f"{maps}?{WATCH}&resourceVersion={began}", TABLE)
    assert [event["type"] for event in seen] == ["ADDED", "MODIFIED", "DELETED"]
    tables = [event["object"] for event in seen]
    assert [table["kind"] for table in tables] == ["Table"] * 3
    assert [[column["name"] for column in table["columnDefinitions"] or ()] for table in tables] == [
        ["Name", "Data", "Age"],
        [],
        [],
    ]
    assert [table["rows"][0]["cells"][:2] for table in tables] == [["c", 0], ["c", 1], ["c", 1]]
    assert {table["rows"][0]["object"]["kind"] for table in tables} == {"PartialObjectMetadata"}
    versions = [int(table["metadata"]["resourceVersion"]) for table in tables]
    assert versions == sorted(set(versions))


def test_streamed_list_as_table(api: Any, maps: str) -> None:
    seen = events(api, f"{maps}?{WATCH}&{BOOKMARKED}", TABLE)
    assert [event["type"] for event in seen] == ["ADDED", "ADDED", "BOOKMARK"]
    mark = seen[-1]["object"]
    assert mark["kind"] == "Table"
    assert mark["rows"][0]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


@pytest.mark.parametrize(("include", "kept"), [("None", None), ("Metadata", "PartialObjectMetadata"), ("Object", "C")])
def test_what_a_row_holds(api: Any, maps: str, include: str, kept: str | None) -> None:
    wanted = "ConfigMap" if kept == "C" else kept
    listed = api("GET", f"{maps}?includeObject={include}", accept=TABLE).body
    watched = events(api, f"{maps}?{WATCH}&includeObject={include}", TABLE)
    for row in (*listed["rows"], *(event["object"]["rows"][0] for event in watched)):
        assert (row.get("object") or {}).get("kind") == wanted


def test_watch_as_metadata(api: Any, maps: str) -> None:
    began = change_all(api, maps)
    seen = events(api, f"{maps}?{WATCH}&resourceVersion={began}", PARTIAL)
    assert [event["type"] for event in seen] == ["ADDED", "MODIFIED", "DELETED"]
    for event in seen:
        assert set(event["object"]) == {"kind", "apiVersion", "metadata"}
        assert event["object"]["kind"] == "PartialObjectMetadata"
        assert event["object"]["apiVersion"] == "meta.k8s.io/v1"
        assert event["object"]["metadata"]["name"] == "c"
    marked = events(api, f"{maps}?{WATCH}&{BOOKMARKED}", PARTIAL)
    assert [event["type"] for event in marked] == ["ADDED", "ADDED", "BOOKMARK"]
    assert marked[-1]["object"]["kind"] == "PartialObjectMetadata"


def test_one_object_in_each_form(api: Any, maps: str) -> None:
    assert api("GET", f"{maps}/a", accept=TABLE).body["rows"][0]["cells"][0] == "a"
    partial = api("GET", f"{maps}/a", accept=PARTIAL).body
    assert (partial["kind"], partial["metadata"]["labels"]) == ("PartialObjectMetadata", {"l": "a"})
    for wrong in (PARTIAL_LIST,):
        assert api("GET", f"{maps}/a", accept=wrong).status == 406
    assert api("GET", maps, accept=PARTIAL).status == 406
    assert api("GET", f"{maps}?{WATCH}", accept=PARTIAL_LIST).status == 406


def test_the_first_form_that_can_be_served(api: Any, maps: str) -> None:
    """kubectl asks for a Table and takes the object; a version nobody knows is passed over."""
    unknown = "application/json;as=Table;v=v9;g=meta.k8s.io"
    assert api("GET", maps, accept=f"{unknown},application/json").body["kind"] == "ConfigMapList"
    assert api("GET", maps, accept=f"{TABLE},application/json").body["kind"] == "Table"
    refused = api("GET", maps, accept=unknown)
    assert (refused.status, refused.body["reason"]) == (406, "NotAcceptable")


def test_yaml(api: Any, maps: str) -> None:
    listed = api("GET", maps, accept="application/yaml")
    assert listed.headers["content-type"] == "application/yaml"
    assert yaml.safe_load(listed.body) == api("GET", maps).body
    assert yaml.safe_load(api("GET", f"{maps}/a", accept="application/yaml").body) == api("GET", f"{maps}/a").body
    absent = api("GET", f"{maps}/nope", accept="application/yaml")
    assert (absent.status, yaml.safe_load(absent.body)["reason"]) == (404, "NotFound")


@pytest.mark.parametrize(
    ("query", "agent", "pretty"),
    [
        ("", "tests/1", False),
        ("?pretty=true", "tests/1", True),
        ("?pretty=false", "curl/8", False),
        ("?pretty=0", "curl/8", False),
        ("", "curl/8", True),
        ("", "Mozilla/5.0", True),
        ("", "Wget/1", True),
    ],
)
def test_pretty(api: Any, maps: str, query: str, agent: str, pretty: bool) -> None:
    """For people: asked for, or taken from the client's name."""
    for path in (f"{maps}/a", maps, f"{maps}/nope"):
        _, data = api.raw(f"{path}{query}", User_Agent=agent)
        assert (b"\n  " in data) is pretty
        assert json.loads(data)["apiVersion"] == "v1"


def test_gzip(api: Any, namespace: str) -> None:
    """From 128 KiB on, for reads, where the client asks."""
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    api.make(path, {"metadata": {"name": "big"}, "data": {"k": "x" * 200_000}})
    api.make(path, {"metadata": {"name": "small"}})
    for target, coding, wanted in (
        (f"{path}/big", "gzip", "gzip"),
        (path, "deflate, gzip;q=0.5", "gzip"),
        (path, "identity", None),
        (f"{path}/small", "gzip", None),
        (f"{path}/none", "gzip", None),
    ):
        answer, data = api.raw(target, Accept_Encoding=coding)
        assert answer.headers["content-encoding"] == wanted, target
        json.loads(gzip.decompress(data) if wanted else data)
    plain, data = api.raw(path)
    assert plain.headers["content-encoding"] is None
    assert len(json.loads(data)["items"]) == 2


@pytest.mark.parametrize("path", ["", "/a", "/nope", "?watch=true"])
def test_head_and_options_of_objects(api: Any, maps: str, path: str) -> None:
    """As upstream's routes, which know GET alone: 405, and a Status where a body may be."""
    head = api("HEAD", f"{maps}{path}")
    assert (head.status, head.body) == (405, "")
    assert int(head.headers["content-length"]) > 0
    for method in ("OPTIONS", "TRACE", "PUT" if not path.startswith("/") else "OPTIONS"):
        answer = api(method, f"{maps}{path}")
        assert (answer.status, answer.body["reason"]) == (405, "MethodNotAllowed")
        assert answer.body["message"] == "the server does not allow this method on the requested resource"


def test_head_through_a_proxy(api: Any, namespace: str) -> None:
    """What is behind it may know HEAD."""
    for path in ("proxy/", "proxy/some/where"):
        assert api("HEAD", f"/api/v1/namespaces/{namespace}/pods/absent/{path}").status == 404


def test_head_of_documents(api: Any) -> None:
    for path in ("/version", "/readyz", "/openapi/v2", "/apis"):
        head = api("HEAD", path)
        assert (head.status, head.body) == (200, ""), path


def test_browsers_of_other_origins_are_told_nothing(api: Any, maps: str) -> None:
    """CORS is off: neither an answer nor a preflight has any of its headers."""
    asking = {"Origin": "https://example.com", "Access-Control-Request-Method": "GET"}
    for method in ("GET", "OPTIONS"):
        answer = api(method, maps, headers=asking)
        assert not [name for name in answer.headers if name.startswith("access-control-")]
    assert api("OPTIONS", maps, headers=asking).status == 405


@pytest.mark.parametrize(("seconds", "status"), [("1", 200), ("abc", 400), ("9" * 30, 400)])
def test_timeout(api: Any, maps: str, seconds: str, status: int) -> None:
    """Of a watch: when it ends; of a list: nothing, since it is there at once."""
    watched = api("GET", f"{maps}?watch=true&timeoutSeconds={seconds}")
    assert watched.status == api("GET", f"{maps}?timeoutSeconds={seconds}").status == status
    if status == 200:
        assert len(watched.body.splitlines()) == 2
