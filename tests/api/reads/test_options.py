"""resourceVersion, resourceVersionMatch, limit and continue in every combination.

https://kubernetes.io/docs/reference/using-api/api-concepts/#the-resourceversion-parameter has them as tables; so here.
The collection is read after a change that a list of the older revision does not show.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

ALL = ["c0", "c1", "c2", "c3"]
NOW = ["c1", "c2", "c3", "c4"]
OLD = "{old}"
TOKEN = "{token}"


@pytest.fixture(scope="module")
def state(api: Any) -> dict[str, str]:
    """c0 to c3 at the revision `old`, then c4 instead of c0. `token` continues a list of two begun at `old`."""
    api.make("/api/v1/namespaces", {"metadata": {"name": "options"}})
    path = "/api/v1/namespaces/options/configmaps"
    for name in ALL:
        api.make(path, {"metadata": {"name": name}})
    first = api("GET", f"{path}?limit=2").body["metadata"]
    api("DELETE", f"{path}/c0")
    api.make(path, {"metadata": {"name": "c4"}})
    return {"path": path, "old": first["resourceVersion"], "token": first["continue"]}


def ask(api: Any, state: dict[str, str], **options: str) -> Any:
    query = "&".join(f"{name}={value.format(**state)}" for name, value in options.items() if value != "unset")
    return api("GET", f"{state['path']}?{query}")


def names(body: Any) -> list[str]:
    return [item["metadata"]["name"] for item in body["items"]]


LISTS: list[tuple[str, str, str, str, Any]] = [
    # resourceVersionMatch, limit, continue, resourceVersion, what comes: names, or status and what is said
    ("unset", "unset", "unset", "unset", NOW),
    ("unset", "unset", "unset", "0", NOW),
    ("unset", "unset", "unset", OLD, NOW),
    ("unset", "2", "unset", "unset", NOW[:2]),
    ("unset", "2", "unset", "0", NOW[:2]),
    ("unset", "2", "unset", OLD, ALL[:2]),
    ("unset", "2", TOKEN, "unset", ALL[2:]),
    ("unset", "1", TOKEN, "unset", ALL[2:3]),
    ("unset", "unset", TOKEN, "unset", ALL[2:]),
    ("unset", "2", TOKEN, "0", ALL[2:]),
    ("unset", "2", TOKEN, OLD, (400, "specifying resource version is not allowed when using continue")),
    ("Exact", "unset", "unset", "unset", (422, "resourceVersionMatch is forbidden unless resourceVersion is provided")),
    ("Exact", "unset", "unset", "0", (422, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"')),
    ("Exact", "unset", "unset", OLD, ALL),
    ("Exact", "2", "unset", "unset", (422, "resourceVersionMatch is forbidden unless resourceVersion is provided")),
    ("Exact", "2", "unset", "0", (422, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"')),
    ("Exact", "2", "unset", OLD, ALL[:2]),
    ("Exact", "2", TOKEN, OLD, (422, "resourceVersionMatch is forbidden when continue is provided")),
    ("NotOlderThan", "unset", "unset", "unset", (422, "resourceVersionMatch is forbidden unless resourceVersion is")),
    ("NotOlderThan", "unset", "unset", "0", NOW),
    ("NotOlderThan", "unset", "unset", OLD, NOW),
    ("NotOlderThan", "2", "unset", "unset", (422, "resourceVersionMatch is forbidden unless resourceVersion is")),
    ("NotOlderThan", "2", "unset", "0", NOW[:2]),
    ("NotOlderThan", "2", "unset", OLD, NOW[:2]),
    ("NotOlderThan", "2", TOKEN, OLD, (422, "resourceVersionMatch is forbidden when continue is provided")),
    ("Sometimes", "unset", "unset", OLD, (422, 'supported values: "Exact", "NotOlderThan", ""')),
]


@pytest.mark.parametrize(("match", "limit", "token", "version", "wanted"), LISTS)
def test_lists(api: Any, state: dict[str, str], match: str, limit: str, token: str, version: str, wanted: Any) -> None:
    options = {"resourceVersionMatch": match, "limit": limit, "continue": token, "resourceVersion": version}
    answer = ask(api, state, **options)
    if isinstance(wanted, tuple):
        assert answer.status == wanted[0], answer.body
        assert answer.body["reason"] == {400: "BadRequest", 422: "Invalid"}[wanted[0]]
        assert wanted[1] in answer.body["message"]
        return
    assert answer.status == 200, answer.body
    assert names(answer.body) == wanted
    exact = token == TOKEN or wanted[:1] == ["c0"]
    revision = int(answer.body["metadata"]["resourceVersion"])
    assert revision == int(state["old"]) if exact else revision > int(state["old"])


@pytest.mark.parametrize(
    "options", ["", "&limit=1", "&resourceVersionMatch=NotOlderThan", "&resourceVersionMatch=Exact"]
)
def test_a_revision_yet_to_come(api: Any, state: dict[str, str], options: str) -> None:
    answer = api("GET", f"{state['path']}?resourceVersion=999999999{options}")
    assert (answer.status, answer.body["reason"]) == (504, "Timeout")
    assert answer.body["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


@pytest.mark.parametrize("version", ["unset", "0", OLD])
def test_pages_remain_as_they_began(api: Any, state: dict[str, str], version: str) -> None:
    """The first page decides of which revision all pages are, and says how many objects remain."""
    page = ask(api, state, limit="1", resourceVersion=version).body
    wanted = ALL if version == OLD else NOW
    seen, revision = names(page), page["metadata"]["resourceVersion"]
    remaining = [page["metadata"]["remainingItemCount"]]
    while token := page["metadata"].get("continue"):
        page = ask(api, state, limit="1", **{"continue": token}).body
        assert page["metadata"]["resourceVersion"] == revision
        seen += names(page)
        remaining.append(page["metadata"].get("remainingItemCount", 0))
    assert (seen, remaining) == (wanted, [3, 2, 1, 0])


def test_pages_of_a_selection_do_not_say_how_many_remain(api: Any, state: dict[str, str]) -> None:
    page = api("GET", f"{state['path']}?limit=1&fieldSelector=metadata.name!%3Dc1").body
    assert page["metadata"]["continue"]
    assert "remainingItemCount" not in page["metadata"]


SEND = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
ADDED = [f"ADDED {name}" for name in NOW]
SINCE = ["DELETED c0", "ADDED c4"]
END = ["BOOKMARK "]
WATCHES: list[tuple[dict[str, str], Any]] = [
    ({}, ADDED),
    ({"resourceVersion": "0"}, ADDED),
    ({"resourceVersion": OLD}, SINCE),
    ({"resourceVersion": OLD, "limit": "1"}, SINCE),
    ({"resourceVersion": "999999999"}, []),
    (SEND, ADDED + END),
    (SEND | {"resourceVersion": "0"}, ADDED + END),
    (SEND | {"resourceVersion": OLD}, ADDED + END),
    (SEND | {"allowWatchBookmarks": "unset"}, ADDED),
    (SEND | {"sendInitialEvents": "false", "resourceVersion": OLD}, SINCE),
    (SEND | {"sendInitialEvents": "false"}, []),
    (SEND | {"resourceVersionMatch": "unset"}, (422, "sendInitialEvents requires setting resourceVersionMatch")),
    (SEND | {"resourceVersionMatch": "Exact"}, (422, 'supported values: "NotOlderThan"')),
    ({"resourceVersionMatch": "NotOlderThan"}, (422, "resourceVersionMatch is forbidden for watch unless")),
    ({"resourceVersionMatch": "Exact", "resourceVersion": OLD}, (422, "resourceVersionMatch is forbidden for watch")),
    ({"continue": TOKEN}, (422, "continue is forbidden for watch")),
]


@pytest.fixture(scope="module")
def watched(api: Any, state: dict[str, str]) -> list[Any]:
    """The answers to all watches, which take their second beside each other."""
    with ThreadPoolExecutor(len(WATCHES)) as pool:
        return list(pool.map(lambda case: ask(api, state, watch="true", timeoutSeconds="1", **case[0]), WATCHES))


@pytest.mark.parametrize("number", range(len(WATCHES)))
def test_watches(watched: list[Any], number: int) -> None:
    answer, wanted = watched[number], WATCHES[number][1]
    if isinstance(wanted, tuple):
        assert answer.status == wanted[0], answer.body
        assert wanted[1] in answer.body["message"]
        return
    assert answer.status == 200
    text = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
    events = [json.loads(line) for line in text.splitlines()]
    seen = [f"{event['type']} {event['object']['metadata'].get('name', '')}" for event in events]
    assert seen == wanted
    if wanted[-1:] == END:
        assert events[-1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
