"""Documents are kept compressed, and their names change when the registry does."""

from __future__ import annotations

import json

import pytest

from sampan.api import registry
from sampan.api.registry import Registry
from sampan.apiserver.openapi import gnostic, v3
from sampan.apiserver.openapi.documents import Documents
from sampan.apiserver.openapi.streaming import whole

BUILTIN = registry.builtin()


def test_index_names_documents_by_their_etags() -> None:
    documents = Documents(BUILTIN)
    index = json.loads(documents.find("openapi/v3").data)["paths"]
    assert set(index) == set(v3.names(BUILTIN))
    for name in ("api/v1", "apis/apps/v1", "apis/apps"):
        document = documents.find(f"openapi/v3/{name}")
        assert index[name]["serverRelativeURL"] == f"/openapi/v3/{name}?hash={document.etag.strip(chr(34))}"
        assert json.loads(document.data)["openapi"] == "3.0.0"


def test_a_document_is_made_once() -> None:
    documents = Documents(BUILTIN)
    assert documents.find("openapi/v2") is documents.find("openapi/v2")
    assert len(documents.find("openapi/v2").compressed) < 500_000
    kept = documents.find("openapi/v2")
    documents.forget()
    assert documents.find("openapi/v2") == kept


def test_forms_of_v2() -> None:
    documents = Documents(BUILTIN)
    plain, binary = documents.find("openapi/v2"), documents.find("openapi/v2", protobuf=True)
    assert plain.content_type == "application/json"
    assert binary.content_type == gnostic.CONTENT_TYPE
    assert plain.etag != binary.etag


def test_unknown_paths() -> None:
    with pytest.raises(KeyError):
        Documents(BUILTIN).find("openapi/v3/apis/no.such/v1")
    with pytest.raises(KeyError):
        Documents(BUILTIN).find("openapi/v4")


def test_another_registry_has_other_names() -> None:
    smaller = Registry()
    for kind in BUILTIN.kinds():
        if kind.kind != "DaemonSet":
            smaller.add(kind)
    assert v3.fingerprint(smaller, "apis/apps/v1") != v3.fingerprint(BUILTIN, "apis/apps/v1")
    assert v3.fingerprint(smaller, "api/v1") == v3.fingerprint(BUILTIN, "api/v1")
    assert "/apis/apps/v1/daemonsets" not in whole(v3.build(smaller, "apis/apps/v1"))["paths"]
