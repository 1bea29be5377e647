"""OpenAPI v2 and v3 are what upstream v1.36 publishes, but for the wording of parameters."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from sampan.api import registry
from sampan.apiserver.openapi import v2, v3
from sampan.apiserver.openapi.streaming import whole

REFERENCE = Path("/work/shared/reference/openapi")
upstream = pytest.mark.skipif(not REFERENCE.exists(), reason="the reference data is not on this machine")
BUILTIN = registry.builtin()
# What upstream describes and this server leaves out on purpose: path or definition -> reason.
ABSENT = {
    "/logs/": "files of the server's host are not served",
    "/logs/{logpath}": "files of the server's host are not served",
    "/openid/v1/jwks/": "not part of the API proper; described where it is served",
    "/.well-known/openid-configuration/": "not part of the API proper; described where it is served",
}
OWN_WORDS = {"io.k8s.apimachinery.pkg.api.resource.Quantity"}


def reference(name: str) -> dict[str, Any]:
    return json.loads(gzip.decompress((REFERENCE / name).read_bytes()))


def plain(document: dict[str, Any], parameters: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Parameters with references resolved, in order of name, without prose."""
    found = [document["parameters"][p["$ref"].rsplit("/", 1)[1]] if "$ref" in p else p for p in parameters]
    bare = [{k: v for k, v in p.items() if k != "description"} for p in found]
    return sorted(bare, key=lambda p: (p["name"], p["in"]))


def comparable(document: dict[str, Any], item: dict[str, Any]) -> dict[str, Any]:
    return {
        method: plain(document, value)
        if method == "parameters"
        else {k: plain(document, v) if k == "parameters" else v for k, v in value.items()}
        for method, value in item.items()
    }


@upstream
def test_v2_equals_upstream() -> None:
    want, have = reference("v2.json.gz"), json.loads(v2.document(BUILTIN))
    assert set(want["paths"]) - set(have["paths"]) == set(ABSENT)
    for path, item in have["paths"].items():
        assert comparable(have, item) == comparable(want, want["paths"][path]), path
    for name, definition in want["definitions"].items():
        if name not in OWN_WORDS:
            assert have["definitions"][name] == definition, name
    for key in want.keys() - {"paths", "definitions", "parameters"}:
        assert have[key] == want[key]


@upstream
@pytest.mark.parametrize("name", v3.names(BUILTIN))
def test_v3_equals_upstream(name: str) -> None:
    want = reference(f"v3/{name.replace('/', '__')}_openapi.json.gz")
    have = json.loads(v3.document(BUILTIN, name))
    assert have["paths"].keys() == want["paths"].keys()
    for path, item in have["paths"].items():
        assert comparable(have, item) == comparable(want, want["paths"][path]), path
    schemas, wanted = have["components"].get("schemas", {}), want["components"].get("schemas", {})
    assert schemas.keys() == wanted.keys()
    for definition in schemas.keys() - OWN_WORDS:
        assert schemas[definition] == wanted[definition], definition


@upstream
def test_v3_has_every_document() -> None:
    files = {p.name.removesuffix("_openapi.json.gz").replace("__", "/") for p in (REFERENCE / "v3").iterdir()}
    assert files - set(v3.names(BUILTIN)) == {"logs", "openid/v1/jwks"}


def references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*(references(v) for v in node.values()))
    return set().union(*(references(v) for v in node)) if isinstance(node, list) else set()


@pytest.mark.parametrize("name", ["openapi/v2", *v3.names(BUILTIN)])
def test_every_reference_leads_somewhere(name: str) -> None:
    document = whole(v2.build(BUILTIN) if name == "openapi/v2" else v3.build(BUILTIN, name))
    for reference_ in references(document):
        node = document
        for part in reference_.removeprefix("#/").split("/"):
            node = node[part]


def test_operations_have_names_of_their_own() -> None:
    operations = [
        o for item in whole(v2.build(BUILTIN))["paths"].values() for m, o in item.items() if m != "parameters"
    ]
    names = [o["operationId"] for o in operations]
    assert len(names) == len(set(names)) > 1000


def test_kubectl_can_tell_that_fields_are_validated() -> None:
    """kubectl looks for the fieldValidation parameter of a kind's patch before it relies on the server."""
    leases = whole(v3.build(BUILTIN, "apis/coordination.k8s.io/v1"))["paths"]
    patch = leases["/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{name}"]["patch"]
    assert "fieldValidation" in [p["name"] for p in patch["parameters"]]
    assert patch["x-kubernetes-group-version-kind"]["kind"] == "Lease"


def test_unknown_documents_are_missing() -> None:
    for name in ("apis/no.such/v1", "apis/apps/v9", "", "api/v2"):
        with pytest.raises(KeyError):
            v3.document(BUILTIN, name)
