"""What is posted to a subresource passes admission as a write of its own: parent's resource, the body's kind."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sampan.apiserver.admission.always import AlwaysDeny
from sampan.apiserver.admission.chain import Admission
from sampan.apiserver.admission.plugin import Plugin, forbid
from sampan.apiserver.auth.user import User
from sampan.apiserver.write import CONNECT, Write
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


class Connections(Notes):
    name = "Connections"
    operations = frozenset({CONNECT})

    def validate(self, write: Write) -> None:
        super().validate(write)
        raise forbid(write, f"no {write.new.kind} {msgspec.json.encode(write.new).decode()}")


NODE = "/api/v1/nodes/n"
CONNECTED = [
    ("GET", f"{PLACE}/pods/p/exec?command=ls&command=-l&stdin=true&tty=0", "PodExecOptions", '"command":["ls","-l"]'),
    ("POST", f"{PLACE}/pods/p/attach?container=c", "PodAttachOptions", '"container":"c"'),
    ("POST", f"{PLACE}/pods/p/portforward?ports=80&ports=81,82", "PodPortForwardOptions", '"ports":[80,81,82]'),
    ("GET", f"{PLACE}/pods/p/proxy/a/b/?path=c", "PodProxyOptions", '"path":"/a/b/"'),
    ("PUT", f"{PLACE}/services/s/proxy/", "ServiceProxyOptions", '"path":"/"'),
    ("GET", f"{NODE}/proxy", "NodeProxyOptions", '"path":""'),
]


@pytest.mark.parametrize(("method", "path", "kind", "options"), CONNECTED)
async def test_a_plugin_may_refuse_a_connection(method: str, path: str, kind: str, options: str) -> None:
    """Before anything is looked up: neither the pod nor the node is there."""
    async with api() as server:
        connections = Connections(server.server, later=True)
        server.server.admission = Admission([connections])
        told = await server.message(path, None, method=method)
        assert f"no {kind}" in told and options in told
        (resource, name, part) = path.removeprefix("/api/v1/").removeprefix("namespaces/default/").split("/")[:3]
        assert connections.seen[0] == ("mutate CONNECT", (resource, part.partition("?")[0], kind, name))
        server.server.admission = Admission([AlwaysDeny(server.server)])
        assert "denying all modifications" in await server.message(path, None, method=method)
        mark = "&" if "?" in path else "?"
        status, answer = await server(method, f"{path}{mark}dryRun=All")
        assert (status, answer["message"]) == (400, "dryRun is not supported")


async def test_a_port_that_is_none_is_told() -> None:
    async with api() as server:
        for port, why in (("x", "invalid syntax"), ("70000", "value out of range")):
            status, answer = await server("POST", f"{PLACE}/pods/p/portforward?ports={port}")
            assert (status, answer["message"].split(": ")[-1]) == (400, why)


class Most(Plugin):
    """Nobody scales beyond five, and nobody to three: two will do."""

    name = "Most"
    resources = frozenset({("apps", "deployments")})
    subresources = frozenset({"scale"})

    def mutate(self, write: Write) -> None:
        assert (write.kind.kind, write.resource.kind, write.old.kind) == ("Scale", "Deployment", "Scale")
        if write.new.spec.replicas == 3:
            write.new.spec.replicas = 2

    def validate(self, write: Write) -> None:
        if (write.new.spec.replicas or 0) > 5:
            raise forbid(write, f"{write.old.spec.replicas} of {write.old.metadata.name} may not become more than 5")


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_scaling_is_shown_as_a_scale(method: str) -> None:
    labels = {"matchLabels": {"a": "b"}}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    place = "/apis/apps/v1/namespaces/default/deployments"
    async with api() as server:
        await server.make(
            place, {"metadata": {"name": "d"}, "spec": {"replicas": 1, "selector": labels, "template": template}}
        )
        server.server.admission = Admission([Most(server.server)])

        def wanted(replicas: int) -> dict[str, Any]:
            return {"metadata": {"name": "d", "namespace": "default"}, "spec": {"replicas": replicas}}

        told = await server.message(f"{place}/d/scale", wanted(6), method=method)
        assert told == 'deployments.apps "d" is forbidden: 1 of d may not become more than 5'
        for replicas, got in ((5, 5), (3, 2), (0, 0)):
            status, scale = await server(method, f"{place}/d/scale", wanted(replicas))
            assert (status, scale["spec"].get("replicas", 0)) == (200, got)
        assert (await server("GET", f"{place}/d"))[1]["spec"]["replicas"] == 0
