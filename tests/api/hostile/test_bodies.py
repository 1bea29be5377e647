"""Bodies made to cost: each is refused or bounded with its code, quickly, in little memory, and nobody else waits."""

from __future__ import annotations

import json
from typing import Any

import pytest

SIZE = 3 * 1024 * 1024 - 1000
MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
YAML = "application/yaml"
JSON = "application/json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
OPERATIONS = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
MEMORY = 120.0
CRON_JOBS = "/apis/batch/v1/namespaces/default/cronjobs"


def repeated(before: bytes, one: bytes, after: bytes, *, size: int = SIZE, separator: bytes = b",") -> bytes:
    count = (size - len(before) - len(after)) // (len(one) + len(separator))
    return before + separator.join([one] * count) + after


def pod(inside: bytes) -> tuple[bytes, bytes]:
    head = b'{"metadata":{"name":"x"},"spec":{"containers":[{"name":"a","image":"b"'
    return head + inside, b"]}]}}" if inside.endswith(b"[") else b"}]}}"


def cron_job(**spec: str) -> bytes:
    job = {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "b"}]}}}
    whole = {"schedule": "* * * * *", "jobTemplate": {"spec": job}, **spec}
    return json.dumps({"metadata": {"name": "c"}, "spec": whole}).encode()


BOMB = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [%b]\n" % (98 + n, 98 + n, b",".join([b"*%c" % (97 + n)] * 9)) for n in range(9)
)
MANY_KEYS = b",".join(b'"k%d":""' % n for n in range(200_000))

BODIES: dict[str, tuple[str, str, str, bytes, int]] = {
    "yaml bomb": ("POST", MAPS, YAML, BOMB, 400),
    "yaml bomb applied": ("PATCH", f"{MAPS}/t?fieldManager=x", APPLY, BOMB, 400),
    "yaml flow list": ("POST", MAPS, YAML, repeated(b"a: [", b"a", b"]"), 400),
    "yaml block list": ("POST", MAPS, YAML, repeated(b"a:\n", b"- a", b"\n", separator=b"\n"), 400),
    "yaml as json": ("POST", MAPS, YAML, repeated(b'{"a":[', b"[]", b"]}"), 413),
    "yaml deep lists": ("POST", MAPS, YAML, b"a: " + b"[" * 100_000, 400),
    "yaml deep maps": ("POST", MAPS, YAML, b"a: " + b"{a: " * 100_000, 400),
    "yaml of one text": ("POST", MAPS, YAML, b"a: " + b"x" * (SIZE - 10), 422),
    "nothing": ("POST", MAPS, JSON, b"", 400),
    "no JSON": ("POST", MAPS, JSON, b"nonsense", 400),
    "brackets": ("POST", MAPS, JSON, b"[" * 500_000, 413),
    "bytes as yaml": ("POST", MAPS, YAML, b"\x00\x01\x02", 400),
    "deep, open": ("POST", MAPS, JSON, b'{"a":' + b"[" * 100_000, 400),
    "deep, closed": ("POST", MAPS, JSON, b'{"a":' * 100_000 + b"1" + b"}" * 100_000, 400),
    "deep merge patch": ("PATCH", f"{MAPS}/t", MERGE, b'{"a":' * 100_000 + b"1" + b"}" * 100_000, 400),
    "deep strategic patch": ("PATCH", f"{MAPS}/t", STRATEGIC, b'{"a":' * 100_000 + b"1" + b"}" * 100_000, 400),
    "lists": ("POST", MAPS, JSON, repeated(b'{"a":[', b"[]", b"]}"), 413),
    "members twice": ("POST", MAPS, JSON, repeated(b'{"data":{', b'"a":"b"', b"}}"), 413),
    "unknown members": ("POST", f"{MAPS}?fieldValidation=Strict", JSON, b"{" + MANY_KEYS + b"}", 400),
    "containers": ("POST", PODS, JSON, repeated(b'{"spec":{"containers":[', b"{}", b"]}}"), 413),
    "fewer containers": ("POST", PODS, JSON, repeated(b'{"spec":{"containers":[', b"{}", b"]}}", size=360_000), 422),
    "variables": ("POST", PODS, JSON, repeated(pod(b',"env":[')[0], b"{}", pod(b',"env":[')[1], size=360_000), 422),
    "finalizers": ("POST", MAPS, JSON, repeated(b'{"metadata":{"finalizers":[', b'""', b"]}}", size=360_000), 422),
    "annotations": ("POST", MAPS, JSON, b'{"metadata":{"name":"n","annotations":{' + MANY_KEYS + b"}}}", 422),
    "a long number in a text's place": (
        "POST",
        MAPS,
        JSON,
        b'{"metadata":{"name":"a"},"data":{"k":' + b"9" * 10_000 + b"}}",
        400,
    ),
    "a long number": ("POST", MAPS, JSON, b'{"metadata":{"generation":' + b"9" * (SIZE - 100) + b"}}", 400),
    "a high exponent": ("POST", MAPS, JSON, b'{"metadata":{"generation":1e' + b"9" * 1000 + b"}}", 400),
    "a quantity": ("POST", PODS, JSON, pod(b',"resources":{"limits":{"cpu":"1e999999999"}}')[0] + b"}]}}", 400),
    "a schedule of digits": ("POST", CRON_JOBS, JSON, cron_job(schedule="@every " + "1" * 100_000), 422),
    "a schedule without an end": ("POST", CRON_JOBS, JSON, cron_job(schedule="@every " + "1" * 1000 + "h"), 422),
    "a schedule of a long number": ("POST", CRON_JOBS, JSON, cron_job(schedule="* * * * " + "1" * 5000), 422),
    "a time zone of many parts": ("POST", CRON_JOBS, JSON, cron_job(timeZone="a/" * 5000), 422),
    "operations": ("PATCH", f"{MAPS}/t", OPERATIONS, repeated(b"[", b'{"op":"test"}', b"]", size=150_000), 413),
    "ten thousand and one operations": (
        "PATCH",
        f"{MAPS}/t",
        OPERATIONS,
        json.dumps([{"op": "add", "path": "/data/k", "value": "x"}] * 10_001).encode(),
        413,
    ),
    "ten thousand operations": (
        "PATCH",
        f"{MAPS}/t",
        OPERATIONS,
        json.dumps([{"op": "add", "path": "/data/k", "value": "x"}] * 10_000).encode(),
        200,
    ),
    "doublings": (
        "PATCH",
        f"{MAPS}/t",
        OPERATIONS,
        json.dumps([{"op": "copy", "from": "/data", "path": f"/data/k{n}"} for n in range(64)]).encode(),
        422,
    ),
    "a test that fails": ("PATCH", f"{MAPS}/t", OPERATIONS, b'[{"op":"test","path":"/nope","value":1}]', 422),
    "half a patch": ("PATCH", f"{MAPS}/t", MERGE, b"{", 400),
    "labels that are a text": ("PATCH", f"{MAPS}/t", MERGE, b'{"metadata":{"labels":"text"}}', 422),
    "an unknown form of patch": ("PATCH", f"{MAPS}/t", "application/unknown", b"{}", 415),
    "copies": (
        "PATCH",
        f"{MAPS}/t",
        OPERATIONS,
        repeated(
            b'[{"op":"add","path":"/x","value":["%b"]},' % (b"a" * 99),
            b'{"op":"copy","from":"/x","path":"/x/-"}',
            b"]",
            size=300_000,
        ),
        422,
    ),
    "a deep pointer": ("PATCH", f"{MAPS}/t", OPERATIONS, b'[{"op":"add","path":"%b"}]' % (b"/a" * 500_000), 422),
    "a large list in a patch": ("PATCH", f"{MAPS}/t", MERGE, repeated(b'{"a":[', b"{}", b"]}"), 413),
    "deletions": (
        "PATCH",
        f"{PODS}/p",
        STRATEGIC,
        repeated(b'{"spec":{"containers":[', b'{"$patch":"delete","name":"u"}', b"]}}", size=2_000_000),
        200,
    ),
    "too large": ("POST", MAPS, JSON, b"x" * (4 << 20), 413),
    "not UTF-8": ("POST", MAPS, JSON, b'{"metadata":{"name":"\xff\xfe"}}', 400),
    "not UTF-8, as YAML": ("POST", MAPS, YAML, b'metadata: {name: "\xff\xfe"}', 400),
    "half a surrogate": ("POST", MAPS, JSON, b'{"metadata":{"name":"s"},"data":{"a":"\\ud800"}}', 400),
    "not protobuf": ("POST", MAPS, PROTOBUF, b"k8s\x00" + b"\xff" * 1000, 400),
    "protobuf that ends early": ("POST", MAPS, PROTOBUF, b"k8s\x00\x0a\xff\xff\xff\xff\x0f", 400),
    "compressed": ("POST", MAPS, JSON, b"\x1f\x8b" + b"\x00" * 100, 400),
}


@pytest.fixture(scope="module", autouse=True)
def objects(api: Any) -> None:
    api("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})
    api.make(MAPS, {"metadata": {"name": "t"}, "data": {"a": "b"}})
    api.make(PODS, {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a", "image": "b"}]}})


@pytest.mark.parametrize("name", BODIES)
def test_a_body_is_refused_and_nobody_waits(api: Any, bystander: Any, name: str) -> None:
    method, path, kind, body, status = BODIES[name]
    found = api(method, path, body, content_type=kind)
    assert found.status == status, str(found.body)[:300]
    assert len(json.dumps(found.body)) < 1_500_000
    bystander.unharmed()


def test_memory_stays(api: Any, process: Any, bystander: Any) -> None:
    """The first round fills pools; the second must find all it needs in them."""
    attacks = [BODIES[name] for name in ("yaml flow list", "containers", "fewer containers", "variables", "finalizers")]
    for method, path, kind, body, _ in attacks:
        api(method, path, body, content_type=kind)
    before = process.memory()
    for method, path, kind, body, _ in attacks * 3:
        api(method, path, body, content_type=kind)
    assert process.memory() < before + MEMORY / 4
    bystander.unharmed()


def test_a_thousand_violations_are_told_and_no_more(api: Any) -> None:
    method, path, kind, body, _ = BODIES["fewer containers"]
    assert len(api(method, path, body, content_type=kind).body["details"]["causes"]) == 1000


def test_warnings_are_cut_to_what_headers_hold(api: Any) -> None:
    found = api("POST", MAPS, {"metadata": {"name": "warned"}, **{f"unknown{n}" + "x" * 100: 1 for n in range(2000)}})
    assert found.status == 201
    assert 0 < sum(map(len, found.warnings)) < 8000


def test_a_commas_worth_of_text_is_no_value(api: Any) -> None:
    """What is inside strings does not count."""
    text = ',[{"' * 200_000
    assert api("POST", MAPS, {"metadata": {"name": "commas"}, "data": {"a": text}}).status == 201
    assert api("GET", f"{MAPS}/commas").body["data"]["a"] == text
