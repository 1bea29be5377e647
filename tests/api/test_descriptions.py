"""What the server says about itself over the wire: discovery and OpenAPI, their forms and their caching."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
GNOSTIC = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"


@pytest.mark.parametrize("path", ["/api", "/apis"])
def test_aggregated_discovery_is_known_by_its_etag(api: Any, path: str) -> None:
    answer, data = api.raw(path, Accept=AGGREGATED)
    assert answer.getheader("Content-Type") == AGGREGATED
    assert json.loads(data)["kind"] == "APIGroupDiscoveryList"
    again, nothing = api.raw(path, Accept=AGGREGATED, If_None_Match=answer.getheader("ETag"))
    assert (again.status, nothing) == (304, b"")


def test_legacy_discovery(api: Any) -> None:
    assert api("GET", "/api").body["versions"] == ["v1"]
    assert "apps" in [g["name"] for g in api("GET", "/apis").body["groups"]]
    assert "deployments/scale" in [r["name"] for r in api("GET", "/apis/apps/v1").body["resources"]]


def test_openapi_v2_in_both_forms(api: Any) -> None:
    plain, data = api.raw("/openapi/v2", Accept="application/json")
    assert json.loads(data)["swagger"] == "2.0"
    binary, encoded = api.raw("/openapi/v2", Accept=f"{GNOSTIC},application/json")
    assert binary.getheader("Content-Type") == GNOSTIC.replace("@", ".")
    assert encoded[:5] == b"\x0a\x032.0"
    assert plain.getheader("ETag") != binary.getheader("ETag")
    again, nothing = api.raw("/openapi/v2", Accept="application/json", If_None_Match=plain.getheader("ETag"))
    assert (again.status, nothing) == (304, b"")


def test_openapi_v3_documents_are_found_by_their_hash(api: Any) -> None:
    index = api("GET", "/openapi/v3").body["paths"]
    where = index["apis/apps/v1"]["serverRelativeURL"]
    answer, data = api.raw(where)
    assert answer.status == 200
    assert answer.getheader("ETag").strip('"') == where.partition("hash=")[2]
    assert "/apis/apps/v1/deployments" in json.loads(data)["paths"]
    assert api("GET", "/openapi/v3/apis/no.such/v1").status == 404


def test_compressed_where_asked(api: Any) -> None:
    answer, data = api.raw("/openapi/v3/api/v1", Accept_Encoding="gzip")
    assert answer.getheader("Content-Encoding") == "gzip"
    assert json.loads(gzip.decompress(data))["openapi"] == "3.0.0"


def test_a_scale_is_shown_as_a_scale(api: Any, namespace: str) -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    api.make(path, {"metadata": {"name": "x"}, "spec": spec})
    table = api("GET", f"{path}/x/scale", accept="application/json;as=Table;v=v1;g=meta.k8s.io").body
    assert [c["name"] for c in table["columnDefinitions"]] == ["Name", "Desired", "Available", "Age"]
    assert table["rows"][0]["cells"][:3] == ["x", 2, 0]
