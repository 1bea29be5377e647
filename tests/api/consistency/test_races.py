"""Writers that race on one object with compare-and-swap: every acknowledged change is in the end result, once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

MERGE = "application/merge-patch+json"
WRITERS = 6
ROUNDS = 15


@pytest.fixture
def path(api: Any, namespace: str) -> str:
    maps = f"/api/v1/namespaces/{namespace}/configmaps"
    api.make(maps, {"metadata": {"name": "m"}, "data": {"count": "0"}})
    return f"{maps}/m"


def put(client: Any, path: str, writer: int, number: int) -> bool:
    """Read, add one, write back over what was read."""
    _, obj = client("GET", path)
    obj["data"]["count"] = str(int(obj["data"]["count"]) + 1)
    obj["data"][f"w{writer}"] = str(number)
    return decided(client("PUT", path, obj))


def merge(client: Any, path: str, writer: int, number: int) -> bool:
    """The same with a patch that names the version it means."""
    _, obj = client("GET", path)
    data = {"count": str(int(obj["data"]["count"]) + 1), f"w{writer}": str(number)}
    patch = {"metadata": {"resourceVersion": obj["metadata"]["resourceVersion"]}, "data": data}
    return decided(client("PATCH", path, patch, MERGE))


def test_and_set(client: Any, path: str, writer: int, number: int) -> bool:
    """The same with a JSON patch that tests the value it replaces."""
    _, obj = client("GET", path)
    count = obj["data"]["count"]
    operations = [
        {"op": "test", "path": "/data/count", "value": count},
        {"op": "replace", "path": "/data/count", "value": str(int(count) + 1)},
        {"op": "add", "path": f"/data/w{writer}", "value": str(number)},
    ]
    status, _ = client("PATCH", path, operations, "application/json-patch+json")
    assert status in (200, 422)
    return status == 200


test_and_set.__test__ = False  # type: ignore[attr-defined]


def decided(answer: tuple[int, Any]) -> bool:
    assert answer[0] in (200, 409), answer
    return answer[0] == 200


@pytest.mark.parametrize("how", [put, merge, test_and_set])
def test_no_update_is_lost(api: Any, clients: Any, path: str, how: Callable[..., bool]) -> None:
    start = threading.Barrier(WRITERS)

    def write(writer: int) -> int:
        client, done = clients.client(), 0
        start.wait()
        for number in range(ROUNDS):
            done += how(client, path, writer, number)
        return done

    with ThreadPoolExecutor(WRITERS) as pool:
        acknowledged = sum(pool.map(write, range(WRITERS)))
    assert acknowledged > 0
    assert api("GET", path).body["data"]["count"] == str(acknowledged)


def test_patches_without_a_version_all_take_place(api: Any, clients: Any, path: str) -> None:
    """Whoever names no version is never refused, and takes nothing from others."""

    def write(writer: int) -> None:
        client = clients.client()
        for number in range(ROUNDS):
            assert client("PATCH", path, {"data": {f"w{writer}-{number}": "x"}}, MERGE)[0] == 200

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(WRITERS)))
    assert len(api("GET", path).body["data"]) == WRITERS * ROUNDS + 1


def test_one_creation_wins(api: Any, clients: Any, namespace: str) -> None:
    maps = f"/api/v1/namespaces/{namespace}/configmaps"
    start = threading.Barrier(WRITERS)

    def create(writer: int) -> list[int]:
        client, statuses = clients.client(), []
        for number in range(ROUNDS):
            start.wait()
            statuses.append(client("POST", maps, {"metadata": {"name": f"c{number}"}, "data": {"w": str(writer)}})[0])
        return statuses

    with ThreadPoolExecutor(WRITERS) as pool:
        for statuses in zip(*pool.map(create, range(WRITERS)), strict=True):
            assert sorted(statuses) == [201] + [409] * (WRITERS - 1)


steps = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(("read", "put", "merge", "recreate"))), min_size=4, max_size=30
)


@settings(max_examples=25, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps)
def test_any_interleaving(clients: Any, path: str, plan: list[tuple[int, str]]) -> None:
    """Three clients' steps in any order against a model: a write is taken exactly when nobody wrote since its read."""
    each = [clients.client() for _ in range(3)]
    client = each[0]
    _, current = client("GET", path)
    version, uid = current["metadata"]["resourceVersion"], current["metadata"]["uid"]
    seen = dict.fromkeys(range(3), current)
    for writer, step in plan:
        client = each[writer]
        held = seen[writer]
        fresh = held["metadata"]["resourceVersion"] == version
        if step == "read":
            seen[writer] = client("GET", path)[1]
            continue
        if step == "recreate":
            condition = {
                "preconditions": {
                    "uid": held["metadata"]["uid"],
                    "resourceVersion": held["metadata"]["resourceVersion"],
                }
            }
            assert client("DELETE", path, condition)[0] == (200 if fresh else 409)
            if not fresh:
                continue
            status, made = client("POST", path.rpartition("/")[0], {"metadata": {"name": "m"}, "data": {"count": "0"}})
            assert status == 201
        else:
            changed = {"count": str(int(held["data"]["count"]) + 1)}
            body = held | {"data": changed} if step == "put" else {"metadata": held["metadata"], "data": changed}
            verb, kind = ("PUT", "application/json") if step == "put" else ("PATCH", MERGE)
            status, made = client(verb, path, body, kind)
            assert status == (200 if fresh else 409), made
            if not fresh:
                continue
            assert made["metadata"]["uid"] == uid
        version, uid = made["metadata"]["resourceVersion"], made["metadata"]["uid"]
        seen[writer] = made
    assert [one("GET", path)[1]["metadata"]["resourceVersion"] for one in each] == [version] * 3


@settings(max_examples=12, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.tuples(*[st.lists(st.sampled_from([put, merge, test_and_set]), min_size=1, max_size=8)] * 2))
def test_two_clients_at_once(clients: Any, path: str, plans: tuple[list[Callable[..., bool]], ...]) -> None:
    """Whatever two clients do at the same time: what was acknowledged is counted, each once, and nothing else."""
    pair = [clients.client() for _ in plans]
    began = int(pair[0]("GET", path)[1]["data"]["count"])
    start = threading.Barrier(len(pair))

    def run(writer: int) -> int:
        start.wait()
        return sum(how(pair[writer], path, writer, number) for number, how in enumerate(plans[writer]))

    with ThreadPoolExecutor(len(pair)) as pool:
        acknowledged = sum(pool.map(run, range(len(pair))))
    for client in pair:
        assert int(client("GET", path)[1]["data"]["count"]) == began + acknowledged
