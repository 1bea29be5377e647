"""What a watcher sees of deletions, event by event, for every way an object can end."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from .consistency.conftest import Watch

MERGE = "application/merge-patch+json"
POD = {"containers": [{"name": "c", "image": "i"}]}


class Story:
    """A collection in a namespace of the test's own, and the events since the story began."""

    def __init__(self, api: Any, namespace: str, plural: str, spec: Any = None) -> None:
        self._api = api
        self._spec = {} if spec is None else {"spec": spec}
        self.path = f"/api/v1/namespaces/{namespace}/{plural}"
        self._began = api("GET", self.path).body["metadata"]["resourceVersion"]

    def make(self, name: str, **metadata: Any) -> Any:
        return self._api.make(self.path, {"metadata": {"name": name, **metadata}, **self._spec})

    def delete(self, name: str = "", options: Any = None, query: str = "") -> Any:
        return self._api("DELETE", f"{self.path}{f'/{name}' if name else ''}{query}", options)

    def patch(self, name: str, patch: Any) -> Any:
        return self._api("PATCH", f"{self.path}/{name}", patch, content_type=MERGE)

    def events(self, query: str = "") -> list[tuple[str, dict[str, Any]]]:
        """Type and metadata of all events up to now."""
        end = int(self.make("zz-end", labels={"l": "a"})["metadata"]["resourceVersion"])
        with contextlib.closing(Watch(self._api.port, f"{self.path}{query}", self._began)) as watch:
            seen = [(event["type"], event["object"]["metadata"]) for event in watch.until(end)]
        versions = [int(metadata["resourceVersion"]) for _, metadata in seen]
        assert versions == sorted(set(versions))
        return seen[:-1]

    def told(self, query: str = "") -> list[str]:
        """The same as `TYPE name`."""
        return [f"{kind} {metadata['name']}" for kind, metadata in self.events(query)]


@pytest.fixture
def maps(api: Any, namespace: str) -> Story:
    return Story(api, namespace, "configmaps")


@pytest.fixture
def pods(api: Any, namespace: str) -> Story:
    return Story(api, namespace, "pods", POD)


@pytest.fixture
def placed(api: Any, namespace: str) -> Story:
    """Pods that a node has, so that they are given time."""
    return Story(api, namespace, "pods", {**POD, "nodeName": "n", "terminationGracePeriodSeconds": 30})


def test_nothing_holds_it(maps: Story) -> None:
    """The last event shows the last state, at the revision of the deletion."""
    made = maps.make("a", labels={"l": "v"})["metadata"]
    assert maps.delete("a").body["details"]["uid"] == made["uid"]
    (_, added), (kind, gone) = maps.events()
    assert kind == "DELETED"
    assert int(gone["resourceVersion"]) > int(made["resourceVersion"])
    assert gone == added | {"resourceVersion": gone["resourceVersion"]}
    assert "deletionTimestamp" not in gone


def test_a_name_made_again_is_another_object(maps: Story) -> None:
    maps.make("a")
    maps.delete("a")
    maps.make("a")
    seen = maps.events()
    assert [kind for kind, _ in seen] == ["ADDED", "DELETED", "ADDED"]
    assert seen[0][1]["uid"] == seen[1][1]["uid"] != seen[2][1]["uid"]


def test_finalizers(maps: Story) -> None:
    """Marked once; changed meanwhile; each finalizer taken away is a change, and the last one is the end."""
    maps.make("a", finalizers=["example.com/a", "example.com/b"])
    marked = maps.delete("a")
    assert (marked.status, marked.body["kind"]) == (200, "ConfigMap")
    assert maps.delete("a").body["metadata"] == marked.body["metadata"]
    assert maps.patch("a", {"data": {"late": "1"}}).status == 200
    assert maps.patch("a", {"metadata": {"finalizers": ["example.com/c"]}}).status == 422
    assert maps.patch("a", {"metadata": {"deletionTimestamp": None}}).body["metadata"]["deletionTimestamp"]
    maps.patch("a", {"metadata": {"finalizers": ["example.com/b"]}})
    last = maps.patch("a", {"metadata": {"finalizers": []}})
    assert (last.status, last.body["metadata"].get("finalizers")) == (200, None)
    seen = maps.events()
    assert [kind for kind, _ in seen] == ["ADDED", "MODIFIED", "MODIFIED", "MODIFIED", "DELETED"]
    assert ["deletionTimestamp" in metadata for _, metadata in seen] == [False, True, True, True, True]
    assert [len(metadata.get("finalizers", ())) for _, metadata in seen] == [2, 2, 2, 1, 1]
    assert {metadata.get("deletionGracePeriodSeconds") for _, metadata in seen[1:]} == {0}


def test_a_finalizer_of_a_living_object_holds_nothing(maps: Story) -> None:
    maps.make("a", finalizers=["example.com/a"])
    maps.patch("a", {"metadata": {"finalizers": []}})
    assert maps.told() == ["ADDED a", "MODIFIED a"]


def test_grace(placed: Story) -> None:
    """Marked, shortened, never lengthened, ended by the kubelet's delete without grace."""
    placed.make("p")
    for seconds, status in ((None, 200), (60, 200), (30, 200), (10, 200), (20, 200), (0, 200), (0, 404)):
        options = None if seconds is None else {"gracePeriodSeconds": seconds}
        assert placed.delete("p", options).status == status
    seen = placed.events()
    assert [kind for kind, _ in seen] == ["ADDED", "MODIFIED", "MODIFIED", "DELETED"]
    assert [metadata.get("deletionGracePeriodSeconds") for _, metadata in seen] == [None, 30, 10, 10]
    assert seen[1][1]["deletionTimestamp"] > seen[2][1]["deletionTimestamp"]
    assert [metadata["generation"] for _, metadata in seen] == [1, 2, 2, 2]


@pytest.mark.parametrize("how", ["body", "query"])
@pytest.mark.parametrize(("seconds", "kept"), [(5, 5), (-1, 1), (0, None)])
def test_grace_asked_for(placed: Story, how: str, seconds: int, kept: int | None) -> None:
    placed.make("p")
    if how == "body":
        placed.delete("p", {"gracePeriodSeconds": seconds})
    else:
        placed.delete("p", query=f"?gracePeriodSeconds={seconds}")
    kind, metadata = placed.events()[-1]
    assert kind == ("DELETED" if kept is None else "MODIFIED")
    assert metadata.get("deletionGracePeriodSeconds") == kept


def test_grace_and_finalizers(placed: Story) -> None:
    """Both must be done with: the kubelet's delete leaves what a finalizer holds."""
    placed.make("p", finalizers=["example.com/a"])
    placed.delete("p")
    placed.delete("p", {"gracePeriodSeconds": 0})
    placed.patch("p", {"metadata": {"finalizers": None}})
    seen = placed.events()
    assert [kind for kind, _ in seen] == ["ADDED", "MODIFIED", "MODIFIED", "DELETED"]
    assert [metadata.get("deletionGracePeriodSeconds") for _, metadata in seen] == [None, 30, 0, 0]


def test_nobody_needs_grace_without_a_node_or_when_ended(api: Any, namespace: str, pods: Story, placed: Story) -> None:
    pods.make("p")
    placed.make("q")
    ended = api("PATCH", f"{placed.path}/q/status", {"status": {"phase": "Succeeded"}}, content_type=MERGE)
    assert ended.status == 200
    pods.delete("p")
    placed.delete("q")
    assert pods.told() == ["ADDED p", "ADDED q", "MODIFIED q", "DELETED p", "DELETED q"]


@pytest.mark.parametrize("precondition", [{"uid": "other"}, {"resourceVersion": "1"}])
def test_preconditions_that_fail_change_nothing(maps: Story, precondition: dict[str, str]) -> None:
    made = maps.make("a")["metadata"]
    refused = maps.delete("a", {"preconditions": precondition})
    assert (refused.status, refused.body["reason"]) == (409, "Conflict")
    known = {name: made[name] for name in ("uid", "resourceVersion")}
    assert maps.delete("a", {"preconditions": known | precondition}).status == 409
    assert maps.told() == ["ADDED a"]


def test_preconditions_that_hold(maps: Story) -> None:
    made = maps.make("a")["metadata"]
    known = {name: made[name] for name in ("uid", "resourceVersion")}
    assert maps.delete("a", {"preconditions": known}).status == 200
    assert maps.told() == ["ADDED a", "DELETED a"]


@pytest.mark.parametrize(
    ("options", "finalizer"),
    [
        ({}, None),
        ({"propagationPolicy": "Background"}, None),
        ({"orphanDependents": False}, None),
        ({"propagationPolicy": "Foreground"}, "foregroundDeletion"),
        ({"propagationPolicy": "Orphan"}, "orphan"),
        ({"orphanDependents": True}, "orphan"),
    ],
)
def test_propagation(maps: Story, options: dict[str, Any], finalizer: str | None) -> None:
    """The policy is told to the garbage collector as a finalizer, which takes it away when it has done its part."""
    maps.make("a")
    answer = maps.delete("a", options)
    if finalizer is None:
        assert answer.body["status"] == "Success"
        assert maps.told() == ["ADDED a", "DELETED a"]
        return
    assert answer.body["metadata"]["finalizers"] == [finalizer]
    maps.patch("a", {"metadata": {"finalizers": None}})
    seen = maps.events()
    assert [kind for kind, _ in seen] == ["ADDED", "MODIFIED", "DELETED"]
    assert seen[1][1]["finalizers"] == [finalizer]


def test_a_later_policy_stands_for_an_earlier_one(maps: Story) -> None:
    maps.make("a")
    maps.delete("a", {"propagationPolicy": "Foreground"})
    assert maps.delete("a", {"propagationPolicy": "Orphan"}).body["metadata"]["finalizers"] == ["orphan"]
    assert maps.delete("a", {"propagationPolicy": "Background"}).status == 200
    assert maps.told() == ["ADDED a", "MODIFIED a", "MODIFIED a", "DELETED a"]


@pytest.mark.parametrize(
    "options",
    [
        {"propagationPolicy": "Sideways"},
        {"propagationPolicy": "Orphan", "orphanDependents": True},
        {"dryRun": ["Some"]},
    ],
)
def test_options_that_make_no_sense(maps: Story, options: dict[str, Any]) -> None:
    maps.make("a")
    assert (maps.delete("a", options).status, maps.delete("", options).status) == (422, 422)
    assert maps.told() == ["ADDED a"]


def collection(maps: Story) -> None:
    for name, label in (("a", "a"), ("b", "b"), ("c", "a"), ("d", "b")):
        maps.make(name, labels={"l": label}, finalizers=["example.com/a"] if name == "c" else [])


@pytest.mark.parametrize(
    ("query", "events"),
    [
        ("", ["DELETED a", "DELETED b", "MODIFIED c", "DELETED d"]),
        ("?labelSelector=l%3Da", ["DELETED a", "MODIFIED c"]),
        ("?labelSelector=l%20notin%20(a)", ["DELETED b", "DELETED d"]),
        ("?fieldSelector=metadata.name%3Db", ["DELETED b"]),
        ("?fieldSelector=metadata.name!%3Db&labelSelector=l%3Db", ["DELETED d"]),
        ("?limit=1", ["DELETED a"]),
        ("?labelSelector=l%3Dz", []),
        ("?dryRun=All", []),
    ],
)
def test_collections(maps: Story, query: str, events: list[str]) -> None:
    """One object after the other, in order; those that something holds are marked."""
    collection(maps)
    answer = maps.delete("", query=query)
    assert (answer.status, answer.body["kind"]) == (200, "ConfigMapList")
    if "dryRun" not in query:
        assert [item["metadata"]["name"] for item in answer.body["items"]] == [event[-1] for event in events]
    assert maps.told()[4:] == events


def test_collections_take_options(maps: Story) -> None:
    collection(maps)
    maps.delete("", {"propagationPolicy": "Foreground"}, "?fieldSelector=metadata.name%3Da")
    maps.delete("", {"preconditions": {"uid": "other"}}, "?fieldSelector=metadata.name%3Db")
    seen = maps.events()[4:]
    assert [(kind, metadata["finalizers"]) for kind, metadata in seen] == [("MODIFIED", ["foregroundDeletion"])]


def test_dry_runs_are_seen_by_nobody(maps: Story) -> None:
    maps.make("a")
    maps.make("b", finalizers=["example.com/a"])
    assert maps.delete("a", {"dryRun": ["All"]}).body["status"] == "Success"
    assert maps.delete("a", query="?dryRun=All").status == 200
    assert maps.delete("b", {"dryRun": ["All"]}).body["metadata"]["deletionTimestamp"]
    assert maps.delete("b", {"dryRun": ["All"], "preconditions": {"uid": "other"}}).status == 409
    maps.delete("b")
    assert maps.patch("b?dryRun=All", {"metadata": {"finalizers": None}}).status == 200
    assert maps.told() == ["ADDED a", "ADDED b", "MODIFIED b"]


def test_what_a_selecting_watcher_sees(maps: Story) -> None:
    """An object that ceases to match is gone for it, and its end is then no news."""
    collection(maps)
    maps.patch("a", {"metadata": {"labels": {"l": "b"}}})
    for name in "abcd":
        maps.delete(name)
    maps.patch("c", {"metadata": {"finalizers": None}})
    assert maps.told("?labelSelector=l%3Da") == ["ADDED a", "ADDED c", "DELETED a", "MODIFIED c", "DELETED c"]


def test_a_namespace(api: Any) -> None:
    """Marked with phase Terminating, emptied by its controller, ended by the update of its finalize part."""
    path = "/api/v1/namespaces"
    made = api.make(path, {"metadata": {"name": "ending"}})
    api("DELETE", f"{path}/ending")
    assert api("DELETE", f"{path}/ending").body["status"]["phase"] == "Terminating"
    held = api("GET", f"{path}/ending").body
    api("PUT", f"{path}/ending/finalize", held | {"spec": {"finalizers": []}})
    events = api.watch(
        f"{path}?watch=true&timeoutSeconds=1&resourceVersion={int(made['metadata']['resourceVersion']) - 1}"
        "&fieldSelector=metadata.name%3Dending"
    )
    assert [(event["type"], event["object"]["status"]["phase"]) for event in events] == [
        ("ADDED", "Active"),
        ("MODIFIED", "Terminating"),
        ("DELETED", "Terminating"),
    ]
