"""What is asked for by method and path."""

from __future__ import annotations

import pytest

from sampan.api.registry import builtin
from sampan.apiserver.routes import Routes, parse_parameters, truthy

ROUTES = Routes(builtin())


@pytest.mark.parametrize(
    "method, target, wanted",
    [
        ("GET", "/api/v1/namespaces/n/pods/p", ("get", "pods", "n", "p", "")),
        ("HEAD", "/api/v1/namespaces/n/pods/p", ("get", "pods", "n", "p", "")),
        ("GET", "/api/v1/namespaces/n/pods/p/log", ("get", "pods", "n", "p", "log")),
        ("POST", "/api/v1/namespaces/n/pods/p/binding", ("create", "pods", "n", "p", "binding")),
        ("GET", "/api/v1/pods", ("list", "pods", "", "", "")),
        ("GET", "/api/v1/pods?watch=true", ("watch", "pods", "", "", "")),
        ("GET", "/api/v1/pods?watch=0", ("list", "pods", "", "", "")),
        ("GET", "/api/v1/watch/namespaces/n/pods", ("watch", "pods", "n", "", "")),
        ("DELETE", "/api/v1/namespaces/n/pods", ("deletecollection", "pods", "n", "", "")),
        ("GET", "/api/v1/namespaces", ("list", "namespaces", "", "", "")),
        ("GET", "/api/v1/namespaces/n", ("get", "namespaces", "", "n", "")),
        ("PUT", "/api/v1/namespaces/n/finalize", ("update", "namespaces", "", "n", "finalize")),
        ("PATCH", "/apis/apps/v1/namespaces/n/deployments/d", ("patch", "deployments", "n", "d", "")),
        ("GET", "/api/v1/nodes/%6e1", ("get", "nodes", "", "n1", "")),
    ],
)
def test_resources(method: str, target: str, wanted: tuple[str, ...]) -> None:
    found = ROUTES.identify(method, target)
    assert found.kind is not None
    assert (found.verb, found.plural, found.namespace, found.name, found.subresource) == wanted


@pytest.mark.parametrize(
    "target",
    [
        "/api/v1/namespaces/n/nodes/n1",
        "/api/v1/pods/p",
        "/apis/apps/v9/deployments",
        "/apis/no.such/v1/things",
        "/version",
        "/",
        "",
        "/api/v1",
        "//api/v1/pods",
        "/api/v1/namespaces/a%2Fb/pods/../p",
    ],
)
def test_what_is_no_object(target: str) -> None:
    assert ROUTES.identify("GET", target).kind is None


def test_parameters() -> None:
    assert parse_parameters("a=1&a=2&b=&c=x%2Cy+z") == {"a": "1", "b": "", "c": "x,y z"}
    assert len(parse_parameters("&".join(f"k{n}=1" for n in range(10_000)))) == 100
    assert [truthy(value) for value in (None, "", "1", "true", "anything", "0", "False")] == [
        False,
        True,
        True,
        True,
        True,
        False,
        False,
    ]
