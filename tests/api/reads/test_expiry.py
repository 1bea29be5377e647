"""410: what was, and is no longer kept; and the way back from it."""

from __future__ import annotations

import contextlib
import http.client
import json
from typing import Any

import pytest

from ..conftest import ADMIN, insecure

KEPT_BYTES = 64 << 20
"""The store's history."""
OBJECT_BYTES = 900_000


@pytest.fixture(scope="module")
def past(api: Any) -> dict[str, str]:
    """Three objects, a list of them begun, and then more changes than are kept."""
    api.make("/api/v1/namespaces", {"metadata": {"name": "past"}})
    path = "/api/v1/namespaces/past/configmaps"
    for name in ("a", "b", "c"):
        api.make(path, {"metadata": {"name": name}})
    first = api("GET", f"{path}?limit=1").body["metadata"]
    api("DELETE", f"{path}/b")
    connection = http.client.HTTPSConnection("127.0.0.1", api.port, timeout=30, context=insecure())
    headers = {"Authorization": f"Bearer {ADMIN}", "Content-Type": "application/json"}
    other = "/api/v1/namespaces/default/configmaps"
    api.make(other, {"metadata": {"name": "large"}})
    with contextlib.closing(connection):
        for number in range(5 * KEPT_BYTES // 4 // OBJECT_BYTES):
            body = {"metadata": {"name": "large"}, "data": {"k": f"{number:03}" + "x" * OBJECT_BYTES}}
            connection.request("PUT", f"{other}/large", json.dumps(body), headers)
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            answer.read()
    return {"path": path, "revision": first["resourceVersion"], "token": first["continue"]}


def names(body: Any) -> list[str]:
    return [item["metadata"]["name"] for item in body["items"]]


def test_a_page_that_comes_too_late(api: Any, past: dict[str, str]) -> None:
    """The refusal carries a token with which the rest may be had as it is now."""
    late = api("GET", f"{past['path']}?limit=1&continue={past['token']}")
    assert (late.status, late.body["reason"]) == (410, "Expired")
    assert "The provided continue parameter is too old" in late.body["message"]
    token = late.body["metadata"]["continue"]
    rest = api("GET", f"{past['path']}?limit=1&continue={token}")
    assert rest.status == 200, rest.body
    assert names(rest.body) == ["c"]
    assert int(rest.body["metadata"]["resourceVersion"]) > int(past["revision"])


def test_a_list_of_the_past(api: Any, past: dict[str, str]) -> None:
    for options in ("resourceVersionMatch=Exact", "limit=2"):
        answer = api("GET", f"{past['path']}?resourceVersion={past['revision']}&{options}")
        assert (answer.status, answer.body["reason"]) == (410, "Expired")
    newer = api("GET", f"{past['path']}?resourceVersion={past['revision']}&resourceVersionMatch=NotOlderThan")
    assert names(newer.body) == ["a", "c"]


def test_a_watch_of_the_past_and_the_way_back(api: Any, past: dict[str, str]) -> None:
    """The stream tells it as an event and ends; a new list and a watch from it go on."""
    events = api.watch(f"{past['path']}?watch=true&timeoutSeconds=5&resourceVersion=1")
    assert [event["type"] for event in events] == ["ERROR"]
    status = events[0]["object"]
    assert (status["kind"], status["code"], status["reason"]) == ("Status", 410, "Expired")
    listed = api("GET", past["path"]).body
    assert names(listed) == ["a", "c"]
    version = listed["metadata"]["resourceVersion"]
    api.make(past["path"], {"metadata": {"name": "d"}})
    again = api.watch(f"{past['path']}?watch=true&timeoutSeconds=1&resourceVersion={version}")
    assert [(event["type"], event["object"]["metadata"]["name"]) for event in again] == [("ADDED", "d")]
