"""The informer's cache: whatever comes in which order, no state goes back and no deletion is lost."""

from __future__ import annotations

from typing import Any

from sampan.api.kinds import core_v1, meta_v1
from sampan.client.cache import Cache


def pod(name: str, version: int, uid: str = "u", node: str | None = None) -> Any:
    metadata = meta_v1.ObjectMeta(name=name, namespace="a", uid=uid, resourceVersion=str(version))
    return core_v1.Pod(metadata=metadata, spec=core_v1.PodSpec(nodeName=node))


def by_node(obj: Any) -> list[str]:
    return [obj.spec.nodeName] if obj.spec.nodeName else []


def versions(changes: Any) -> list[tuple[str | None, str | None]]:
    return [tuple(side and side.metadata.resourceVersion for side in change) for change in changes]


def test_an_older_or_repeated_state_changes_nothing() -> None:
    cache: Cache[Any] = Cache()
    assert versions(cache.apply("ADDED", pod("p", 5))) == [(None, "5")]
    assert versions(cache.apply("MODIFIED", pod("p", 5))) == []
    assert versions(cache.apply("MODIFIED", pod("p", 4))) == []
    assert versions(cache.apply("MODIFIED", pod("p", 6))) == [("5", "6")]


def test_a_new_uid_under_a_known_name_reports_the_deletion_first() -> None:
    cache: Cache[Any] = Cache()
    list(cache.apply("ADDED", pod("p", 5, uid="one")))
    assert versions(cache.apply("ADDED", pod("p", 9, uid="two"))) == [("5", None), (None, "9")]


def test_a_relist_reports_what_is_gone_and_keeps_what_is_newer() -> None:
    cache: Cache[Any] = Cache()
    list(cache.replace([pod("gone", 1, "x"), pod("kept", 2, "y")], 3))
    list(cache.observe(pod("own", 8, "z")))
    assert versions(cache.replace([pod("kept", 2, "y")], 7)) == [("1", None)]
    assert cache.get("a/own") is not None
    assert versions(cache.replace([pod("kept", 2, "y")], 8)) == [("8", None)]


def test_an_own_write_is_seen_at_once_and_once() -> None:
    cache: Cache[Any] = Cache()
    list(cache.replace([], 10))
    assert versions(cache.observe(pod("p", 11))) == [(None, "11")]
    assert versions(cache.apply("ADDED", pod("p", 11))) == []


def test_an_own_write_does_not_bring_back_what_the_stream_already_deleted() -> None:
    cache: Cache[Any] = Cache()
    list(cache.apply("ADDED", pod("p", 11)))
    list(cache.apply("DELETED", pod("p", 12)))
    assert versions(cache.observe(pod("p", 11))) == []
    assert cache.get("a/p") is None


def test_an_own_delete_holds_against_events_still_on_their_way() -> None:
    cache: Cache[Any] = Cache()
    list(cache.apply("ADDED", pod("p", 11)))
    assert versions(cache.observe_deleted("a/p", "u")) == [("11", None)]
    assert versions(cache.apply("MODIFIED", pod("p", 12))) == []
    assert versions(cache.apply("DELETED", pod("p", 13))) == []
    assert versions(cache.apply("ADDED", pod("p", 14, uid="next"))) == [(None, "14")]


def test_a_late_deletion_of_a_former_object_leaves_the_present_one() -> None:
    cache: Cache[Any] = Cache()
    list(cache.apply("ADDED", pod("p", 20, uid="two")))
    assert versions(cache.apply("DELETED", pod("p", 9, uid="one"))) == []
    assert cache.get("a/p") is not None


def test_indexes_follow_every_change() -> None:
    cache: Cache[Any] = Cache({"node": by_node})
    list(cache.apply("ADDED", pod("p", 1)))
    assert cache.index("node", "n1") == []
    list(cache.apply("MODIFIED", pod("p", 2, node="n1")))
    assert len(cache.index("node", "n1")) == 1
    list(cache.apply("DELETED", pod("p", 3, node="n1")))
    assert list(cache.index_values("node")) == []
