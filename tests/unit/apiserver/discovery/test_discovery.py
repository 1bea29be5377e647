"""Discovery equals what upstream v1.36 publishes, and is consistent with itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sampan.api import registry
from sampan.apiserver.discovery import aggregated, legacy

REFERENCE = Path("/work/shared/reference")
upstream = pytest.mark.skipif(not REFERENCE.exists(), reason="the reference data is not on this machine")
BUILTIN = registry.builtin()
# What upstream lists and this server leaves out on purpose: (group, version, resource) -> reason.
ABSENT: dict[tuple[str, str, str], str] = {}


@upstream
def test_groups_equal_upstream() -> None:
    want = json.loads((REFERENCE / "discovery-v1.36.json").read_text())
    for item in want["items"]:
        for version in item["versions"]:
            version["resources"] = [
                r
                for r in version["resources"]
                if (item["metadata"]["name"], version["version"], r["resource"]) not in ABSENT
            ]
    have = json.loads(aggregated.groups(BUILTIN))
    assert [i["metadata"]["name"] for i in have["items"]] == [i["metadata"]["name"] for i in want["items"]]
    for mine, theirs in zip(have["items"], want["items"], strict=True):
        assert mine == theirs
    assert have == want


@upstream
def test_core_equals_upstream() -> None:
    want = json.loads((REFERENCE / "discovery-core-v1.36.json").read_text())
    have = json.loads(legacy.resource_list(BUILTIN, "", "v1"))
    assert have["resources"] == want["resources"]
    assert have == want


def test_legacy_groups() -> None:
    groups = json.loads(legacy.group_list(BUILTIN))
    assert groups["kind"] == "APIGroupList"
    autoscaling = json.loads(legacy.group(BUILTIN, "autoscaling"))
    assert autoscaling == {
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": "autoscaling",
        "versions": [
            {"groupVersion": "autoscaling/v2", "version": "v2"},
            {"groupVersion": "autoscaling/v1", "version": "v1"},
        ],
        "preferredVersion": {"groupVersion": "autoscaling/v2", "version": "v2"},
    }
    assert {k: v for k, v in autoscaling.items() if k not in ("kind", "apiVersion")} in groups["groups"]
    with pytest.raises(KeyError):
        legacy.group(BUILTIN, "no.such")
    with pytest.raises(KeyError):
        legacy.resource_list(BUILTIN, "apps", "v7")


def test_api_versions() -> None:
    assert json.loads(legacy.api_versions("192.0.2.2:16443")) == {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "192.0.2.2:16443"}],
    }


def test_one_stored_form_has_one_hash() -> None:
    def hashes(group: str, version: str) -> dict[str, str]:
        resources = json.loads(legacy.resource_list(BUILTIN, group, version))["resources"]
        return {r["name"]: r.get("storageVersionHash", "") for r in resources}

    assert hashes("", "v1")["pods"] == "xPOwRZ+Yhw8="
    assert hashes("events.k8s.io", "v1")["events"] == hashes("", "v1")["events"] == "r2yiGXH7wu8="
    assert hashes("autoscaling", "v1") == hashes("autoscaling", "v2")
    assert hashes("authentication.k8s.io", "v1")["tokenreviews"] == ""


def test_both_forms_agree() -> None:
    for document in (aggregated.core(BUILTIN), aggregated.groups(BUILTIN)):
        for item in json.loads(document)["items"]:
            for version in item["versions"]:
                group = item["metadata"].get("name", "")
                listed = json.loads(legacy.resource_list(BUILTIN, group, version["version"]))["resources"]
                names = [r["resource"] for r in version["resources"]]
                assert names == [r["name"] for r in listed if "/" not in r["name"]]
                for resource in version["resources"]:
                    subs = [f"{resource['resource']}/{s['subresource']}" for s in resource.get("subresources", ())]
                    assert subs == [r["name"] for r in listed if r["name"].startswith(f"{resource['resource']}/")]


def test_etag_follows_content() -> None:
    document = aggregated.groups(BUILTIN)
    assert aggregated.etag(document) == aggregated.etag(aggregated.groups(BUILTIN))
    assert aggregated.etag(document) != aggregated.etag(aggregated.core(BUILTIN))
    assert json.loads(aggregated.groups(BUILTIN, "v2beta1"))["apiVersion"] == "apidiscovery.k8s.io/v2beta1"
