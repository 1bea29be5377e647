"""The node's server over real sockets on loopback: who may use it, and what it answers."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sampan.aio.clock import SystemClock
from sampan.cluster.authority import Authority, Identity
from sampan.kubelet.server import is_allowed

from .harness import Node, node


def certificates(folder: Path) -> Authority:
    authority = Authority(folder, SystemClock())
    authority.ensure(Identity(file="kubelet", user="system:node:n1", groups=("system:nodes",), hosts=("127.0.0.1",)))
    authority.ensure(Identity(file="apiserver", user="kube-apiserver-kubelet-client", groups=("system:masters",)))
    authority.ensure(Identity(file="someone", user="jane"))
    return authority


def context(pki: Path, name: str | None) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=pki / "ca.crt")
    if name is not None:
        made.load_cert_chain(pki / f"{name}.crt", pki / f"{name}.key")
    return made


async def get(n: Node, path: str, tls: Any = True) -> tuple[int, str]:
    scheme = "http" if tls is True else "https"
    url = f"{scheme}://127.0.0.1:{n.kubelet.server.port}{path}"
    async with aiohttp.ClientSession() as session, session.get(url, ssl=tls) as response:
        return response.status, await response.text()


async def test_only_the_api_server_and_administrators(tmp_path: Path) -> None:
    pki = tmp_path / "pki"
    certificates(pki)
    config = {
        "port": 0,
        "bind_address": "127.0.0.1",
        "server_cert": pki / "kubelet.crt",
        "server_key": pki / "kubelet.key",
        "client_ca": pki / "ca.crt",
    }
    async with node(tmp_path, **config) as n:
        assert await get(n, "/healthz", context(pki, "apiserver")) == (200, "ok")
        status, text = await get(n, "/healthz", context(pki, "someone"))
        assert (status, text.split(":")[0]) == (403, "Forbidden")
        with pytest.raises(aiohttp.ClientError):
            await get(n, "/healthz", context(pki, None))


@pytest.mark.parametrize(
    ("name", "group", "allowed"),
    [
        ("kube-apiserver-kubelet-client", "x", True),
        ("jane", "system:masters", True),
        ("system:node:n2", "system:nodes", False),
    ],
)
def test_names_and_groups(name: str, group: str, allowed: bool) -> None:
    assert is_allowed({"subject": ((("commonName", name),), (("organizationName", group),))}) is allowed
    assert not is_allowed(None)


async def test_answers(tmp_path: Path) -> None:
    async with node(tmp_path, port=0, bind_address="127.0.0.1") as n:
        n.pod()
        n.pod("waits", containers=[{"name": "c", "envFrom": [{"configMapRef": {"name": "none"}}]}])
        await n.advance(1)
        status, text = await get(n, "/pods")
        assert (status, text.count('"kind"')) == (200, 3)
        assert "kubelet_running_containers 1" in (await get(n, "/metrics"))[1]
        assert '"node": "n1"' in (await get(n, "/statusz"))[1]
        assert await get(n, "/containerLogs/default/none/c") == (404, 'pod "none" does not exist\n')
        assert (await get(n, "/containerLogs/default/p/x"))[0] == 404
        assert await get(n, "/containerLogs/default/p/c?previous=true") == (
            400,
            'previous terminated container "c" in pod "p" not found\n',
        )
        assert await get(n, "/containerLogs/default/waits/c") == (
            400,
            'container "c" in pod "waits" is waiting to start: configmap "none" not found\n',
        )
        assert (await get(n, "/containerLogs/default/p/c?tailLines=x"))[0] == 400
        assert (await get(n, "/exec/default/p/c"))[0] == 501
