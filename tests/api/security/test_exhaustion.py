"""Bodies that are small on the wire and were to cost a server its memory or its time."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

MAPS = "/api/v1/namespaces/default/configmaps"
YAML = "application/yaml"
OPERATIONS = "application/json-patch+json"
SECONDS = 10.0
"""What an answer may take on a machine that has other things to do; the attacks took minutes."""

LAUGHS = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [%b]\n" % (98 + n, 98 + n, b",".join([b"*%c" % (97 + n)] * 9)) for n in range(9)
)


def timed(api: Any, *arguments: Any, **keywords: Any) -> Any:
    began = time.monotonic()
    answer = api(*arguments, **keywords)
    assert time.monotonic() - began < SECONDS
    return answer


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_cve_2019_11253_yaml_and_json_bombs(api: Any, method: str) -> None:
    path = MAPS if method == "POST" else f"{MAPS}/x?fieldManager=f"
    content = YAML if method == "POST" else "application/apply-patch+yaml"
    assert timed(api, method, path, LAUGHS, content_type=content).status == 400
    deep = b'{"data":' * 100_000 + b"1" + b"}" * 100_000
    assert timed(api, "POST", MAPS, deep).status == 400


def test_cve_2019_11253_honest_anchors_work(api: Any) -> None:
    body = b"metadata: {name: anchored}\ndata:\n  a: &a some text\n  b: *a\n"
    made = api("POST", MAPS, body, content_type=YAML)
    assert (made.status, made.body["data"]) == (201, {"a": "some text", "b": "some text"})


@pytest.mark.parametrize(
    "body",
    [
        b"a:\n" + b" -" * 500_000,
        b"- " * 500_000,
        b"a: " + b"[" * 500_000,
        b"? " * 200_000,
        b"a:\n" + b"  - b:\n" * 200_000,
    ],
    ids=["dashes", "lists", "brackets", "keys", "items"],
)
def test_cve_2019_11254_yaml_that_takes_long_to_read(api: Any, body: bytes) -> None:
    assert timed(api, "POST", MAPS, body, content_type=YAML).status in (400, 413)


def test_cve_2019_11254_honest_long_yaml_works(api: Any) -> None:
    lines = b"".join(b"  key-%d: some value of some length\n" % n for n in range(10_000))
    made = timed(api, "POST", MAPS, b"metadata: {name: long}\ndata:\n" + lines, content_type=YAML)
    assert (made.status, len(made.body["data"])) == (201, 10_000)


def test_cve_2019_1002100_patches_of_many_operations(api: Any) -> None:
    api.make(MAPS, {"metadata": {"name": "patched"}, "data": {"a": "x" * 1000}})

    def patch(operations: list[dict[str, str]]) -> Any:
        return timed(api, "PATCH", f"{MAPS}/patched", operations, content_type=OPERATIONS)

    many = [{"op": "add", "path": "/data/b", "value": "1"}] * 10_001
    answer = patch(many)
    assert answer.status == 413
    assert "The allowed maximum operations in a JSON patch is 10000, got 10001" in answer.body["message"]
    doubling = [
        {"op": "copy", "from": "/metadata/annotations", "path": f"/metadata/annotations/{n}"} for n in range(60)
    ]
    first = {"op": "add", "path": "/metadata/annotations", "value": {"a": "x" * 1000}}
    assert patch([first, *doubling]).status in (400, 413, 422)  # type: ignore[list-item]
    honest = patch([{"op": "add", "path": f"/data/k{n}", "value": json.dumps(n)} for n in range(1_000)])
    assert (honest.status, len(honest.body["data"])) == (200, 1_001)
