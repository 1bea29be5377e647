"""Paths, parameters and headers that lead elsewhere, or are larger than they have a right to be."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

PODS = "/api/v1/namespaces/default/pods"
SECRET = "/api/v1/namespaces/kube-system/secrets"
NAMES = ("..", ".", "%2e%2e", "%2E", "..%2f..%2fkube-system", "a%25b", "%2e%2e%2fkube-system%2fsecrets%2fs")
MEMORY = 40.0
METHODS = ("GET", "DELETE")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_one_segment(api: Any, method: str, name: str) -> None:
    found = api(method, f"{PODS}/{name}")
    assert found.status == 400
    assert found.body["message"].startswith("Name parameter invalid: ")


@pytest.mark.parametrize("name", ["a%00b", "%ff", "a%5cb", "%0d%0aX:%20y", "%1b[31m", quote("ｐｏｄ"), "x" * 3000])
def test_a_strange_name_is_no_objects(api: Any, name: str) -> None:
    found = api("GET", f"{PODS}/{name}")
    assert found.status == 404
    assert found.body["message"].isprintable()


@pytest.mark.parametrize("name", ["..", ".", "a/b", "a%b", "a\x00b", "../../x", "A", "a" * 254])
def test_no_object_is_made_of_it(api: Any, name: str) -> None:
    assert api("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": name}}).status == 422


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/namespaces/default/../kube-system/secrets/s",
        "/api/v1/namespaces/default%2f..%2fkube-system/secrets/s",
        "/api/v1/namespaces/../secrets/s",
        "//api/v1/namespaces/kube-system/secrets/s",
        "/api/v1/../v1/namespaces/kube-system/secrets/s",
        "/readyz/../api/v1/namespaces/kube-system/secrets/s",
        "/readyz%2f..%2fapi/v1/namespaces/kube-system/secrets/s",
    ],
)
def test_a_path_leads_where_it_says(api: Any, path: str) -> None:
    """Neither around the authorizer nor into another namespace."""
    api("POST", SECRET, {"metadata": {"name": "s"}})
    for token in ("admin-token", "nobody-token", None):
        assert api("GET", path, token=token).status in (400, 401, 403, 404)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("labelSelector=" + quote("a in (" + ",".join(["x"] * 14_000) + ")"), 200),
        ("labelSelector=" + ",".join(["a"] * 20_000), 200),
        ("labelSelector=" + ",".join(f"k{n}%20in%20(a,b,c)" for n in range(2000)), 200),
        ("labelSelector=" + "a," * 30_000, 400),
        ("labelSelector=" + "(" * 30_000, 400),
        ("labelSelector=a" + "%20" * 15_000, 200),
        ("labelSelector=" + "a=" * 20_000, 400),
        ("fieldSelector=" + ",".join(["metadata.name=a"] * 3500), 200),
        ("fieldSelector=" + "%5c" * 15_000, 400),
        ("labelSelector=%ff%fe", 400),
        ("continue=" + "A" * 50_000, 400),
        ("limit=" + "9" * 5000, 400),
        ("limit=-1", 200),
        ("timeoutSeconds=" + "9" * 100, 400),
        ("watch=1&resourceVersion=99999999999999999999", 400),
        ("resourceVersion=%00", 400),
        ("&" * 50_000, 200),
        ("labelSelector=" + "a" * 100_000, 431),
    ],
)
def test_parameters(api: Any, bystander: Any, query: str, status: int) -> None:
    assert api("GET", f"{PODS}?{query}").status == status
    bystander.unharmed()


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("X-Anything", "a" * 100_000, 431),
        ("Accept", ",".join(["application/json;q=0.1"] * 2000), 200),
        ("Accept", "application/json;as=Table;g=meta.k8s.io;v=" + "v" * 30_000, 406),
        ("Accept", "\xff\xfe", 406),
        ("Accept-Encoding", "gzip," * 10_000, 200),
        ("Authorization", "Bearer " + "a" * 50_000, 401),
        ("User-Agent", "\xff" * 1000, 200),
    ],
)
def test_headers(api: Any, bystander: Any, name: str, value: str, status: int) -> None:
    assert (
        api("GET", PODS, headers={name: value}, token=None if name == "Authorization" else "admin-token").status
        == status
    )
    bystander.unharmed()
