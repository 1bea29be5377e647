"""The REST client against a plain HTTP server on loopback that answers what the test says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiohttp import web

from sampan.aio.clock import SystemClock
from sampan.api import errors
from sampan.api.kinds import core_v1, meta_v1
from sampan.client.config import ClientConfig
from sampan.client.errors import Unreachable
from sampan.client.interface import Resource
from sampan.client.rest import RestClient

Answer = tuple[int, bytes]


class Server:
    """Answers by `METHOD path?query`; keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, dict[str, str], bytes]] = []

    def on(self, request: str, code: int, value: Any) -> None:
        self.answers[request] = (code, value if isinstance(value, bytes) else msgspec.json.encode(value))

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        key = f"{request.method} {request.raw_path}"
        self.asked.append((key, dict(request.headers), await request.read()))
        code, body = self.answers.get(key, (404, b"no such path"))
        return web.Response(status=code, body=body, content_type="application/json")


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[Server, RestClient]]:
    server = Server()
    runner = web.ServerRunner(web.Server(server.handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    async with RestClient(ClientConfig(server=f"http://{host}:{port}", token="t0ken"), SystemClock()) as client:
        yield server, client
    await runner.cleanup()


async def test_get_decodes_and_sends_who_we_are() -> None:
    async with serving() as (server, client):
        server.on("GET /api/v1/namespaces/a/pods/p", 200, {"metadata": {"name": "p", "resourceVersion": "7"}})
        pod = await client.get(core_v1.Pod, "p", "a")
        assert (pod.kind, pod.metadata.resourceVersion) == ("Pod", "7")
        assert server.asked[0][1]["Authorization"] == "Bearer t0ken"


async def test_a_list_joins_its_chunks() -> None:
    async with serving() as (server, client):
        first = {"metadata": {"continue": "more", "resourceVersion": "9"}, "items": [{"metadata": {"name": "a"}}]}
        path = "GET /api/v1/pods?labelSelector=app%3Dx&limit=500"
        server.on(path, 200, first)
        second = {"metadata": {"resourceVersion": "9"}, "items": [{"metadata": {"name": "b"}}]}
        server.on(f"{path}&continue=more", 200, second)
        listed = await client.list(core_v1.Pod, labels="app=x")
        assert [pod.metadata.name for pod in listed.items] == ["a", "b"]
        assert (listed.resource_version, listed.items[0].apiVersion) == ("9", "v1")


async def test_a_status_is_raised_as_its_reason() -> None:
    async with serving() as (server, client):
        server.on("GET /api/v1/nodes/n", 404, errors.not_found("", "nodes", "n").status())
        with pytest.raises(errors.NotFound, match='nodes "n" not found'):
            await client.get(core_v1.Node, "n")
        server.on("GET /api/v1/nodes/m", 502, b"bad gateway")
        with pytest.raises(errors.ApiError, match="bad gateway") as caught:
            await client.get(core_v1.Node, "m")
        assert caught.value.code == 502


async def test_nobody_there_is_unreachable() -> None:
    async with RestClient(ClientConfig(server="http://127.0.0.1:1"), SystemClock()) as client:
        with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1"):
            await client.get(core_v1.Node, "n")
        with pytest.raises(Unreachable):
            [event async for event in client.watch(core_v1.Node)]


async def test_a_watch_gives_events_then_the_error_the_server_sent() -> None:
    async with serving() as (server, client):
        lines = [
            {"type": "ADDED", "object": {"metadata": {"name": "n", "resourceVersion": "5"}}},
            {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "6"}}},
            {"type": "ERROR", "object": errors.expired("too old resource version").status()},
        ]
        body = b"\n".join(msgspec.json.encode(line) for line in lines) + b"\n"
        server.on("GET /api/v1/nodes?watch=true&resourceVersion=4&allowWatchBookmarks=true", 200, body)
        seen = []
        with pytest.raises(errors.Expired):
            async for event in client.watch(core_v1.Node, resource_version="4"):
                seen.append((event.type, event.object.metadata.resourceVersion))
        assert seen == [("ADDED", "5"), ("BOOKMARK", "6")]


async def test_writes_go_to_the_right_places() -> None:
    async with serving() as (server, client):
        pod = core_v1.Pod(metadata=meta_v1.ObjectMeta(name="p", namespace="a"))
        for request in (
            "POST /api/v1/namespaces/a/pods",
            "PUT /api/v1/namespaces/a/pods/p",
            "PUT /api/v1/namespaces/a/pods/p/status",
            "PATCH /api/v1/namespaces/a/pods/p/status",
            "DELETE /api/v1/namespaces/a/pods/p",
            "POST /api/v1/namespaces/a/pods/p/eviction",
        ):
            server.on(request, 200, pod)
        await client.create(pod)
        await client.update(pod)
        await client.update_status(pod)
        await client.patch(core_v1.Pod, "p", "a", {"status": {}}, type="strategic", subresource="status")
        gone = await client.delete(core_v1.Pod, "p", "a", uid="u", grace_period_seconds=0)
        await client.create_subresource(core_v1.Pod, "p", "a", "eviction", {"kind": "Eviction"})
        assert gone.metadata.name == "p"
        assert server.asked[3][1]["Content-Type"] == "application/strategic-merge-patch+json"
        options = msgspec.json.decode(server.asked[4][2])
        assert (options["preconditions"], options["gracePeriodSeconds"]) == ({"uid": "u"}, 0)


async def test_a_delete_answered_with_a_status_means_gone() -> None:
    async with serving() as (server, client):
        server.on("DELETE /api/v1/nodes/n", 200, {"kind": "Status", "apiVersion": "v1", "status": "Success"})
        assert await client.delete(core_v1.Node, "n") is None


async def test_fields_a_newer_server_knows_are_dropped() -> None:
    async with serving() as (server, client):
        server.on("GET /api/v1/nodes/n", 200, {"metadata": {"name": "n", "novel": 1}, "spec": {"podCIDR": "x", "y": 2}})
        node = await client.get(core_v1.Node, "n")
        assert node.spec.podCIDR == "x"


async def test_discovery_takes_two_requests() -> None:
    async with serving() as (server, client):
        pods = {"resource": "pods", "scope": "Namespaced", "responseKind": {"kind": "Pod"}, "verbs": ["list"]}
        core = {"metadata": {}, "versions": [{"version": "v1", "resources": [pods]}]}
        server.on("GET /api", 200, {"kind": "APIGroupDiscoveryList", "items": [core]})
        apps = {"metadata": {"name": "apps"}, "versions": [{"version": "v1", "resources": []}]}
        server.on("GET /apis", 200, {"kind": "APIGroupDiscoveryList", "items": [apps]})
        (found,) = await client.discover()
        assert found.resource == Resource("", "v1", "pods", True, "Pod")
        assert len(server.asked) == 2


async def test_a_review_is_made_without_metadata() -> None:
    """A kubelet asks so who somebody is; it has nothing to name."""
    from sampan.api.kinds import authentication_v1

    async with serving() as (server, client):
        answer = {"status": {"authenticated": True, "user": {"username": "alice"}}}
        server.on("POST /apis/authentication.k8s.io/v1/tokenreviews", 201, answer)
        review = authentication_v1.TokenReview(spec=authentication_v1.TokenReviewSpec(token="t"))
        assert (await client.create(review)).status.user.username == "alice"
