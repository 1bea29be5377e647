"""What is posted to a subresource passes admission as a write of its own: parent's resource, the body's kind."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sampan.apiserver.admission.always import AlwaysDeny
from sampan.apiserver.admission.chain import Admission
from sampan.apiserver.admission.plugin import Plugin
from sampan.apiserver.auth.user import User
from sampan.apiserver.write import Write
from sampan.cluster import tokenkeys
from tests.unit.apiserver.admission.harness import api, pod

PLACE = "/api/v1/namespaces/default"
ACCESS = "/apis/authorization.k8s.io/v1"
BINDING = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n"}}
REVIEW = {"spec": {"user": "eve", "nonResourceAttributes": {"path": "/", "verb": "get"}}}
POSTED = [
    (f"{PLACE}/pods/p/binding", BINDING, ("pods", "binding", "Binding", "p")),
    (f"{PLACE}/bindings", BINDING, ("bindings", "", "Binding", "p")),
    (f"{PLACE}/pods/p/eviction", {"metadata": {"name": "p"}}, ("pods", "eviction", "Eviction", "p")),
    (f"{PLACE}/serviceaccounts/default/token", {}, ("serviceaccounts", "token", "TokenRequest", "default")),
    (f"{ACCESS}/subjectaccessreviews", REVIEW, ("subjectaccessreviews", "", "SubjectAccessReview", "")),
]


class Notes(Plugin):
    """Sees everything; answers later in `mutate` where it is told to, so that what follows has to wait."""

    name = "Notes"
    subresources = frozenset({"*"})

    def __init__(self, server: Any, *, later: bool) -> None:
        super().__init__(server)
        self.seen: list[tuple[str, tuple[str, str, str, str]]] = []
        self._later = later

    def mutate(self, write: Write) -> Any:
        self._note("mutate", write)
        return asyncio.sleep(0) if self._later else None

    def validate(self, write: Write) -> None:
        self._note("validate", write)

    def _note(self, step: str, write: Write) -> None:
        what = (write.resource.plural, write.subresource, write.kind.kind, write.name)
        self.seen.append((f"{step} {write.operation}", what))


@pytest.mark.parametrize("later", [False, True])
async def test_each_is_shown_with_its_resource_and_its_kind(tmp_path: Path, later: bool) -> None:
    async with api(service_account_key=tokenkeys.ensure(tmp_path)) as server:
        await server.make(f"{PLACE}/serviceaccounts", {"metadata": {"name": "default"}})
        for path, body, what in POSTED:
            await server("POST", f"{PLACE}/pods", pod("p"))
            notes = Notes(server.server, later=later)
            before, server.server.admission = server.server.admission, Admission([notes])
            status, answer = await server("POST", path, body)
            server.server.admission = before
            assert status == 201, answer
            assert [one for one in notes.seen if "CREATE" in one[0]] == [
                ("mutate CREATE", what),
                ("validate CREATE", what),
            ]
            await server("DELETE", f"{PLACE}/pods/p", {"gracePeriodSeconds": 0})


async def test_all_are_denied_where_everything_is(tmp_path: Path) -> None:
    async with api(service_account_key=tokenkeys.ensure(tmp_path)) as server:
        await server.make(f"{PLACE}/serviceaccounts", {"metadata": {"name": "default"}})
        await server.make(f"{PLACE}/pods", pod("p"))
        server.server.admission = Admission([AlwaysDeny(server.server)])
        for path, body, _ in POSTED:
            assert "denying all modifications" in await server.message(path, body)


async def test_nothing_is_made_in_a_namespace_that_ends(tmp_path: Path) -> None:
    """Not even an eviction, as upstream: its controller deletes the pods."""
    async with api(service_account_key=tokenkeys.ensure(tmp_path)) as server:
        await server.make("/api/v1/namespaces", {"metadata": {"name": "going"}})
        place = "/api/v1/namespaces/going"
        await server.make(f"{place}/serviceaccounts", {"metadata": {"name": "default"}})
        await server.make(f"{place}/pods", pod("p"))
        assert (await server("DELETE", place))[0] in (200, 202)
        for path, body, what in POSTED[:4]:
            status, answer = await server("POST", path.replace(PLACE, place), body)
            assert (status, answer["reason"]) == (403, "Forbidden"), answer
            assert f'{what[0]} "{what[3]}" is forbidden: unable to create new content' in answer["message"]
            assert answer["details"]["causes"][0]["reason"] == "NamespaceTerminating"
        status, answer = await server("POST", f"{PLACE.replace('default', 'absent')}/pods/p/eviction", {})
        assert (status, answer["message"]) == (404, 'namespaces "absent" not found')


async def test_a_kubelet_binds_nothing() -> None:
    node = User("system:node:n", groups=("system:nodes", "system:authenticated", "system:masters"))
    async with api() as server:
        await server.make(f"{PLACE}/pods", pod("p"))
        refused = await server.message(f"{PLACE}/pods/p/binding", BINDING, user=node)
        assert "unexpected pod subresource \"binding\", only 'status' and 'eviction' are allowed" in refused
