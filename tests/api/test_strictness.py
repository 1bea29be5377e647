"""Unknown and repeated fields in every form of body, by what `fieldValidation` asks: a row each."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .conftest import Api

TEXT = """{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"old","name":"d","unknownMeta":"m"},
"spec":{"unknown1":"v","unknownDupe":"a","unknownDupe":"b","paused":true,"paused":false,
"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[
{"name":"c","image":"i:1","unknownNested":1,"imagePullPolicy":"Always","imagePullPolicy":"Never"}]}}}}"""
YAML = """apiVersion: apps/v1
kind: Deployment
metadata:
  name: old
  name: d
  unknownMeta: m
spec:
  unknown1: v
  unknownDupe: a
  unknownDupe: b
  paused: true
  paused: false
  selector: {matchLabels: {a: b}}
  template:
    metadata: {labels: {a: b}}
    spec:
      containers:
      - name: c
        image: i:1
        unknownNested: 1
        imagePullPolicy: Always
        imagePullPolicy: Never
"""
UNKNOWN = [
    'unknown field "spec.template.spec.containers[0].unknownNested"',
    'unknown field "spec.unknown1"',
    'unknown field "spec.unknownDupe"',
]
PATCH = """{"spec":{"unknown1":"v","unknownDupe":"a","unknownDupe":"b","paused":true,"paused":false,
"template":{"spec":{"containers":[{"name":"c","image":"i:1","unknownNested":1,"imagePullPolicy":"Always",
"imagePullPolicy":"Never"}]}}}}"""
PATCHED = [
    'duplicate field "spec.unknownDupe"',
    'duplicate field "spec.paused"',
    'duplicate field "spec.template.spec.containers[0].imagePullPolicy"',
    *UNKNOWN,
]
OPERATIONS = """[{"op":"add","path":"/spec/unknown1","value":"v","foo":"bar"},
{"op":"add","path":"/spec/x","path":"/spec/unknown3","value":1},{"op":"add","path":"/spec/paused","value":true}]"""
IN_YAML = [
    'line 5: key "name" already set in map',
    'line 10: key "unknownDupe" already set in map',
    'line 12: key "paused" already set in map',
    'line 22: key "imagePullPolicy" already set in map',
]
IN_JSON = [
    'duplicate field "metadata.name"',
    'unknown field "metadata.unknownMeta"',
    'unknown field "spec.unknown1"',
    'unknown field "spec.unknownDupe"',
    'duplicate field "spec.paused"',
    'unknown field "spec.template.spec.containers[0].unknownNested"',
    'duplicate field "spec.template.spec.containers[0].imagePullPolicy"',
]
JSON_TYPE, YAML_TYPE = "application/json", "application/yaml"
MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
ROWS: dict[str, tuple[str, str, str, list[str]]] = {
    "post json": ("POST", JSON_TYPE, TEXT, IN_JSON),
    "put json": ("PUT", JSON_TYPE, TEXT, IN_JSON),
    "post yaml": ("POST", YAML_TYPE, YAML, [*IN_YAML, 'unknown field "metadata.unknownMeta"', *UNKNOWN]),
    "put yaml": ("PUT", YAML_TYPE, YAML, [*IN_YAML, 'unknown field "metadata.unknownMeta"', *UNKNOWN]),
    "merge": ("PATCH", MERGE, PATCH, PATCHED),
    "strategic": ("PATCH", STRATEGIC, PATCH, PATCHED),
    "json patch": (
        "PATCH",
        JSON_PATCH,
        OPERATIONS,
        [
            'json patch unknown field "[0].foo"',
            'json patch duplicate field "[1].path"',
            'unknown field "spec.unknown1"',
            'unknown field "spec.unknown3"',
        ],
    ),
}


@pytest.fixture
def send(api: Api, namespace: str) -> Any:
    """Sends a row's body: to a collection, or to an object that is there."""
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"

    def send(method: str, content_type: str, body: str, query: str) -> Any:
        if method != "POST":
            container = {"name": "c", "image": "i:1"}
            template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container]}}
            spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
            api("POST", path, {"metadata": {"name": "d"}, "spec": spec})
        target = path if method == "POST" else f"{path}/d"
        return api(method, f"{target}?fieldManager=m{query}", body.encode(), content_type=content_type)

    return send


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("asked", ["", "&fieldValidation=Warn"])
def test_warnings(send: Any, row: str, asked: str) -> None:
    method, content_type, body, found = ROWS[row]
    answer = send(method, content_type, body, asked)
    assert answer.status in (200, 201), answer.body
    assert [w.removeprefix("299 - ") for w in answer.warnings] == [json.dumps(text) for text in found]


@pytest.mark.parametrize("row", ROWS)
def test_ignored(send: Any, row: str) -> None:
    method, content_type, body, _ = ROWS[row]
    answer = send(method, content_type, body, "&fieldValidation=Ignore")
    assert (answer.status, answer.warnings) in ((200, []), (201, []))


@pytest.mark.parametrize("row", ROWS)
def test_refused(send: Any, row: str) -> None:
    method, content_type, body, found = ROWS[row]
    answer = send(method, content_type, body, "&fieldValidation=Strict")
    assert (answer.status, answer.warnings) == (422 if method == "PATCH" else 400, [])
    told = ", ".join(found)
    if content_type == YAML_TYPE:
        lines, rest = found[:4], found[4:]
        told = ", ".join(["yaml: unmarshal errors:\n  " + "\n  ".join(lines), *rest])
    assert answer.body["message"].endswith(f"strict decoding error: {told}")


APPLIED = """{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"},
"data":{"a":"1",
"a":"2"}}"""


def test_an_applied_configuration_that_says_a_key_twice(api: Api, namespace: str) -> None:
    def apply(asked: str) -> Any:
        path = f"/api/v1/namespaces/{namespace}/configmaps/c?fieldManager=m{asked}"
        return api("PATCH", path, APPLIED.encode(), content_type="application/apply-patch+yaml")

    assert apply("&fieldValidation=Ignore").warnings == []
    warned = apply("")
    assert (warned.status, warned.body["data"]) == (200, {"a": "2"})
    assert warned.warnings == ['299 - "line 3: key \\"a\\" already set in map"']
    refused = apply("&fieldValidation=Strict")
    assert refused.status == 400
    assert refused.body["message"] == (
        "error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n"
        '  line 3: key "a" already set in map'
    )


def test_subresources_are_strict_too(api: Api, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods"
    api.make(path, {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}})
    scaled = f"/apis/apps/v1/namespaces/{namespace}/deployments/d/scale"
    binding = {"metadata": {"name": "p"}, "target": {"name": "n"}, "bogus": 1}
    for target, body in ((f"{path}/p/binding", binding), (f"{path}/p/eviction", {"bogus": 1})):
        answer = api("POST", f"{target}?fieldValidation=Strict", body)
        assert answer.status == 400
        assert answer.body["message"].endswith('strict decoding error: unknown field "bogus"')
    container = {"name": "c", "image": "i:1"}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container]}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    api.make(scaled.removesuffix("/d/scale"), {"metadata": {"name": "d"}, "spec": spec})
    answer = api("PATCH", scaled, b'{"spec":{"replicas":1,"replicas":2,"x":1}}', content_type=MERGE)
    assert [json.loads(w.removeprefix("299 - ")) for w in answer.warnings] == [
        'duplicate field "spec.replicas"',
        'unknown field "spec.x"',
    ]
