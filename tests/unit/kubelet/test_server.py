"""The node's server over real sockets on loopback: who may use it, and what it answers."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sampan.aio.clock import SystemClock
from sampan.client.errors import Unreachable
from sampan.cluster.authority import Authority, Identity
from sampan.kubelet.access import attributes
from sampan.kubelet.access.memory import Memory
from sampan.testing.clock import VirtualClock

from .harness import Node, node


def certificates(folder: Path) -> Authority:
    authority = Authority(folder, SystemClock())
    authority.ensure(Identity(file="kubelet", user="system:node:n1", groups=("system:nodes",), hosts=("127.0.0.1",)))
    authority.ensure(Identity(file="apiserver", user="kube-apiserver-kubelet-client"))
    authority.ensure(Identity(file="someone", user="jane"))
    return authority


def context(pki: Path, name: str | None) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=pki / "ca.crt")
    if name is not None:
        made.load_cert_chain(pki / f"{name}.crt", pki / f"{name}.key")
    return made


def serving(pki: Path) -> dict[str, Path]:
    return {"server_cert": pki / "kubelet.crt", "server_key": pki / "kubelet.key"}


async def get(
    n: Node, path: str, tls: Any = True, token: str = "", headers: dict[str, str] | None = None
) -> tuple[int, str]:
    headers = {**(headers or {}), **({"Authorization": f"Bearer {token}"} if token else {})}
    scheme = "http" if tls is True else "https"
    url = f"{scheme}://127.0.0.1:{n.kubelet.server.port}{path}"
    async with aiohttp.ClientSession() as session, session.get(url, ssl=tls, headers=headers) as response:
        return response.status, await response.text()


async def test_who_may_use_it_is_what_the_api_server_says(tmp_path: Path) -> None:
    pki = tmp_path / "pki"
    certificates(pki)
    config = {"port": 0, "bind_address": "127.0.0.1", "client_ca": pki / "ca.crt", **serving(pki)}
    async with node(tmp_path, **config) as n:
        n.api.allowed |= {"kube-apiserver-kubelet-client get nodes/proxy", "bot get nodes/metrics"}
        n.api.tokens["good"] = ("bot", "system:authenticated")
        assert await get(n, "/healthz", context(pki, "apiserver")) == (200, "ok")
        assert await get(n, "/healthz", context(pki, "someone")) == (
            403,
            "Forbidden (user=jane, verb=get, resource=nodes, subresource(s)=[healthz proxy])\n",
        )
        nobody = context(pki, None)
        for path in ("/healthz", "/pods", "/metrics", "/containerLogs/default/p/c", "/statusz", "/nowhere"):
            assert await get(n, path, nobody) == (401, "Unauthorized")
        assert await get(n, "/metrics", nobody, token="bad") == (401, "Unauthorized")
        assert (await get(n, "/metrics", nobody, token="good"))[0] == 200
        assert (await get(n, "/pods", nobody, token="good"))[0] == 403
        await unanswered(n, pki)


@pytest.mark.parametrize("path", ["/metrics", "/exec/default/p/c?command=id"])
async def test_a_certificate_of_an_unknown_authority_is_nobodys(tmp_path: Path, path: str) -> None:
    """The handshake goes on, the answer is 401, and a token beside it is listened to, as upstream."""
    pki, other = tmp_path / "pki", tmp_path / "other"
    certificates(pki)
    certificates(other)
    config = {"port": 0, "bind_address": "127.0.0.1", "client_ca": pki / "ca.crt", **serving(pki)}
    forged = ssl.create_default_context(cafile=pki / "ca.crt")
    forged.load_cert_chain(other / "apiserver.crt", other / "apiserver.key")
    upgrade = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1"} if path.startswith("/exec") else {}
    async with node(tmp_path, **config) as n:
        n.api.allowed |= {
            "kube-apiserver-kubelet-client get nodes/proxy",
            "kube-apiserver-kubelet-client get nodes/metrics",
        }
        n.api.tokens["weak"] = ("jane", "system:authenticated")
        assert await get(n, path, forged, headers=upgrade) == (401, "Unauthorized")
        assert (await get(n, path, forged, token="weak", headers=upgrade))[0] == 403
        assert (await get(n, path, context(pki, "apiserver"), headers=upgrade))[0] not in (401, 403)


async def unanswered(n: Node, pki: Path) -> None:
    """Answers are remembered while the API server is away; what it was not asked before is refused."""
    nobody = context(pki, None)
    n.api.fail("create", "tokenreviews", Unreachable("away"), times=100)
    n.api.fail("create", "subjectaccessreviews", Unreachable("away"), times=100)
    assert (await get(n, "/metrics", nobody, token="good"))[0] == 200
    assert (await get(n, "/metrics", nobody, token="new"))[0] == 401
    status, text = await get(n, "/configz", context(pki, "apiserver"))
    assert (status, text.split(" (")[0]) == (500, "Authorization error")
    n.api.recover()
    await n.clock.jump(301.0)
    n.api.allowed.clear()
    assert (await get(n, "/metrics", nobody, token="good"))[0] == 403


async def test_a_serving_certificate_that_comes_later(tmp_path: Path) -> None:
    pki = tmp_path / "pki"
    authority = certificates(pki)
    later = {"server_cert": tmp_path / "later.crt", "server_key": tmp_path / "later.key"}
    config = {"port": 0, "bind_address": "127.0.0.1", "client_ca": pki / "ca.crt", **later}
    async with node(tmp_path, **config) as n:
        with pytest.raises(aiohttp.ClientError):
            await get(n, "/healthz", context(pki, "apiserver"))
        serials = set()
        for _ in range(2):
            signed, key = authority.issue(Identity(file="x", user="n1", hosts=("127.0.0.1",)))
            later["server_key"].write_bytes(key)
            later["server_cert"].write_bytes(signed)
            assert (await get(n, "/healthz", context(pki, "apiserver")))[0] == 403
            serials.add(await serial(n, pki))
        assert len(serials) == 2


async def serial(n: Node, pki: Path) -> str:
    _, writer = await asyncio.open_connection("127.0.0.1", n.kubelet.server.port, ssl=context(pki, None))
    shown = writer.get_extra_info("peercert")["serialNumber"]
    writer.close()
    await writer.wait_closed()
    return str(shown)


@pytest.mark.parametrize(
    ("method", "path", "verb", "subresources"),
    [
        ("GET", "/stats/summary", "get", ("stats",)),
        ("GET", "/metrics/cadvisor", "get", ("metrics",)),
        ("GET", "/logs/", "get", ("log",)),
        ("GET", "/pods", "get", ("pods", "proxy")),
        ("GET", "/runningpods/", "get", ("pods", "proxy")),
        ("GET", "/healthz/ping", "get", ("healthz", "proxy")),
        ("GET", "/configz", "get", ("configz", "proxy")),
        ("GET", "/containerLogs/a/b/c", "get", ("proxy",)),
        ("POST", "/exec/a/b/c", "create", ("proxy",)),
        ("GET", "/podsX", "get", ("proxy",)),
        ("DELETE", "/", "delete", ("proxy",)),
        ("BREW", "/pods", "", ("pods", "proxy")),
    ],
)
def test_what_is_asked_for(method: str, path: str, verb: str, subresources: tuple[str, ...]) -> None:
    assert (attributes.verb(method), attributes.subresources(path)) == (verb, subresources)


async def test_memory_is_bounded_and_forgets() -> None:
    clock = VirtualClock()
    memory: Memory[int] = Memory(clock, limit=2)
    for key in ("a", "b"):
        memory.put(key, 1, 10.0)
    assert memory.get("a") == 1
    memory.put("c", 1, 10.0)
    assert (memory.get("a"), memory.get("b"), len(memory)) == (1, None, 2)
    await clock.jump(10.0)
    assert (memory.get("a"), memory.get("c"), len(memory)) == (None, None, 0)


async def test_answers(tmp_path: Path) -> None:
    async with node(tmp_path, port=0, bind_address="127.0.0.1") as n:
        n.pod()
        n.pod("waits", containers=[{"name": "c", "envFrom": [{"configMapRef": {"name": "none"}}]}])
        await n.advance(1)
        status, text = await get(n, "/pods")
        assert (status, text.count('"kind"')) == (200, 3)
        assert 'kubelet_running_containers{container_state="running"} 1' in (await get(n, "/metrics"))[1]
        assert '"node": "n1"' in (await get(n, "/statusz"))[1]
        assert await get(n, "/containerLogs/default/none/c") == (404, 'pod "none" does not exist\n')
        assert (await get(n, "/containerLogs/default/p/x"))[0] == 404
        assert await get(n, "/containerLogs/default/p/c?previous=true") == (
            400,
            'previous terminated container "c" in pod "p" not found\n',
        )
        assert await get(n, "/containerLogs/default/waits/c") == (
            400,
            'container "c" in pod "waits" is waiting to start: CreateContainerConfigError\n',
        )
        assert (await get(n, "/containerLogs/default/p/c?tailLines=x"))[0] == 400
        assert await get(n, "/exec/default/p/c") == (400, "Upgrade request required\n")
