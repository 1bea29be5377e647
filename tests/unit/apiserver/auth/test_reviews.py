"""Questions about access in all their forms, and what is no question."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.apiserver.admission.harness import Api, api

ACCESS = "/apis/authorization.k8s.io/v1"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
LOCAL = f"{ACCESS}/namespaces/default/localsubjectaccessreviews"
ANY = f"{ACCESS}/subjectaccessreviews"
NODES = ["system:nodes", "system:authenticated"]
OWN = "spec.nodeName"


def of_node(selector: Any = None) -> dict[str, Any]:
    """May a node list resource slices: those of its own, by a field selector."""
    asked = {"verb": "list", "group": "resource.k8s.io", "version": "v1", "resource": "resourceslices"}
    asked |= {} if selector is None else {"fieldSelector": selector}
    return {"user": "system:node:n1", "groups": NODES, "resourceAttributes": asked}


def parts(operator: str, *values: str, key: str = OWN) -> dict[str, Any]:
    return {"requirements": [{"key": key, "operator": operator, "values": list(values)}]}


async def asked(server: Api, path: str, spec: dict[str, Any]) -> Any:
    status, answer = await server("POST", path, {"spec": spec})
    assert status == 201, answer
    return answer["status"]["allowed"]


@pytest.mark.parametrize(
    ("selector", "allowed"),
    [
        (None, False),
        ({"rawSelector": f"{OWN}=n1"}, True),
        ({"rawSelector": f"{OWN}=n2"}, False),
        ({"rawSelector": f"{OWN}!=n1"}, False),
        ({"rawSelector": "cannot be read!!"}, False),
        (parts("In", "n1"), True),
        (parts("In", "n1", "n2"), False),
        (parts("NotIn", "n1"), False),
        (parts("Newer", "n1"), False),
    ],
)
async def test_selectors_narrow_what_is_asked(selector: Any, allowed: bool) -> None:
    async with api() as server:
        assert await asked(server, ANY, of_node(selector)) is allowed


@pytest.mark.parametrize(
    ("selectors", "says"),
    [
        ({"fieldSelector": {"rawSelector": "cannot be read!!"}}, "fieldSelector ignored due to parse error"),
        ({"fieldSelector": parts("Newer", "n1")}, "fieldSelector ignored due to parse error"),
        (
            {
                "fieldSelector": {"requirements": [parts("In", v)["requirements"][0] for v in "ab"]},
                "labelSelector": {"rawSelector": "a=b=c"},
            },
            "labelSelector ignored due to parse error",
        ),
        (
            {
                "fieldSelector": {
                    "requirements": [*parts("In", "a")["requirements"], *parts("Exists")["requirements"]]
                },
                "labelSelector": parts("Newer", key="a"),
            },
            "fieldSelector partially ignored due to parse error; "
            "spec.resourceAttributes.labelSelector ignored due to parse error",
        ),
        ({"fieldSelector": parts("In", "a"), "labelSelector": {"rawSelector": "a in (b,c)"}}, None),
    ],
)
async def test_what_cannot_be_understood_is_told(selectors: dict[str, Any], says: str | None) -> None:
    """It narrows nothing, since newer clients may know more."""
    async with api() as server:
        spec = {"user": "eve", "resourceAttributes": {"verb": "list", "resource": "pods", **selectors}}
        _, answer = await server("POST", ANY, {"spec": spec})
        told = answer["status"].get("evaluationError")
        assert told == (f"spec.resourceAttributes.{says}" if says else None)


async def test_each_form_asks_about_somebody() -> None:
    async with api() as server:
        rules = [
            {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]},
        ]
        await server.make(f"{RBAC}/namespaces/default/roles", {"metadata": {"name": "r"}, "rules": rules})
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"}
        subject = {"kind": "Group", "name": "readers", "apiGroup": "rbac.authorization.k8s.io"}
        body = {"metadata": {"name": "r"}, "roleRef": reference, "subjects": [subject]}
        await server.make(f"{RBAC}/namespaces/default/rolebindings", body)
        get = {"verb": "get", "resource": "pods", "namespace": "default"}
        assert await asked(server, ANY, {"groups": ["readers"], "resourceAttributes": get})
        assert await asked(server, LOCAL, {"user": "eve", "groups": ["readers"], "resourceAttributes": get})
        assert not await asked(server, LOCAL, {"user": "eve", "resourceAttributes": get})
        assert not await asked(server, ANY, {"groups": ["readers"], "resourceAttributes": get | {"namespace": "x"}})
        assert await asked(server, f"{ACCESS}/selfsubjectaccessreviews", {"resourceAttributes": get})
        path = {"nonResourceAttributes": {"path": "/metrics", "verb": "get"}}
        assert await asked(server, f"{ACCESS}/selfsubjectaccessreviews", path)
        assert not await asked(server, ANY, {"user": "eve", **path})


WHERE = "spec.resourceAttributes.fieldSelector"
LABELS = "spec.resourceAttributes.labelSelector"


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"user": "eve"}, "exactly one of nonResourceAttributes or resourceAttributes must be specified"),
        ({"resourceAttributes": {"verb": "get"}}, "spec.user: Required value"),
        (of_node({}), f"{WHERE}.requirements: Required value: when {WHERE} is specified, requirements or rawSelector"),
        (of_node({"rawSelector": "a=b", **parts("In", "n1")}), f'{WHERE}.rawSelector: Invalid value: "a=b": may not'),
        (of_node(parts("In")), f"{WHERE}.requirements[0].values: Required value: must be specified when `operator`"),
        (of_node(parts("Exists", "n1")), f"{WHERE}.requirements[0].values: Forbidden: may not be specified when"),
        (of_node(parts("In", "n1", key="")), f"{WHERE}.requirements[0].key: Required value: must be specified"),
        (
            {"user": "eve", "resourceAttributes": {"labelSelector": parts("In", "v", key="a b")}},
            f'{LABELS}.requirements[0].key: Invalid value: "a b"',
        ),
    ],
)
async def test_what_is_no_question(spec: dict[str, Any], says: str) -> None:
    async with api() as server:
        status, answer = await server("POST", ANY, {"spec": spec})
        assert (status, says in answer["message"]) == (422, True), answer["message"]


async def test_a_local_question_stays_in_its_namespace() -> None:
    async with api() as server:
        elsewhere = {"user": "eve", "resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "other"}}
        path = {"user": "eve", "nonResourceAttributes": {"path": "/", "verb": "get"}}
        for spec, says in ((elsewhere, "must match metadata.namespace"), (path, "disallowed on this kind of request")):
            status, answer = await server("POST", LOCAL, {"spec": spec})
            assert (status, says in answer["message"]) == (422, True)
