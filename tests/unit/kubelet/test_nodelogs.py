"""What the node's server shows of the machine's log folder and of itself, and does to containers when asked."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sampan.cri.errors import RuntimeUnsupported
from sampan.kubelet import zpages

from .harness import Node, node

LISTENING: dict[str, Any] = {"port": 0, "bind_address": "127.0.0.1"}


async def ask(n: Node, method: str, path: str, **more: Any) -> tuple[int, str, Any]:
    url = f"http://127.0.0.1:{n.kubelet.server.port}{path}"
    async with aiohttp.ClientSession() as session, session.request(method, url, **more) as response:
        return response.status, await response.text(), response


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """A log folder as machines have it, with what a pod could put there."""
    folder = tmp_path / "log"
    (folder / "pods").mkdir(parents=True)
    (folder / "containers").mkdir()
    (folder / "pods" / "0.log").write_text("0123456789")
    (folder / "containers" / "c.log").symlink_to(folder / "pods" / "0.log")
    (folder / "a <b>").touch()
    (tmp_path / "secret").write_text("the node's own")
    (folder / "out").symlink_to(tmp_path / "secret")
    (folder / "above").symlink_to("..")
    os.mkfifo(folder / "pipe")
    return folder


async def test_the_machines_logs(tmp_path: Path, logs: Path) -> None:
    async with node(tmp_path, node_logs=logs, **LISTENING) as n:
        status, text, response = await ask(n, "GET", "/logs/")
        assert (status, response.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert '<pre>\n<a href="a%20%3Cb%3E">a &lt;b&gt;</a>\n' in text and '<a href="pods/">pods/</a>\n' in text
        for path in ("/logs/pods/0.log", "/logs/containers/c.log"):
            assert (await ask(n, "GET", path))[:2] == (200, "0123456789")
        status, text, response = await ask(n, "GET", "/logs/pods/0.log", headers={"Range": "bytes=-3"})
        assert (status, text, response.headers["Content-Range"]) == (206, "789", "bytes 7-9/10")
        assert (await ask(n, "GET", "/logs/pods/0.log", headers={"Range": "bytes=10-"}))[0] == 416
        for path, place in (("/logs", "logs/"), ("/logs/pods", "pods/")):
            status, _, response = await ask(n, "GET", path, allow_redirects=False)
            assert (status, response.headers["Location"]) == (301, place)
        for path in ("out", "above/secret", "above/", "pipe", "none", "%2e%2e/secret", "..%2fsecret", "\0"):
            assert (await ask(n, "GET", f"/logs/{path}"))[0] == 404, path


@pytest.mark.parametrize("setting", ["node_log_handler", "debugging_handlers"])
async def test_what_is_switched_off(tmp_path: Path, logs: Path, setting: str) -> None:
    async with node(tmp_path, node_logs=logs, **LISTENING, **{setting: False}) as n:
        n.pod()
        await n.advance(1)
        off = setting == "debugging_handlers"
        disabled = (405, "Debug endpoints are disabled.\n")
        assert (await ask(n, "GET", "/logs/"))[0] == (405 if off else 404)
        upgrade = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1"}
        found = [
            await ask(n, "GET", "/containerLogs/default/p/c"),
            await ask(n, "POST", "/run/default/p/c?cmd=id"),
            await ask(n, "POST", "/exec/default/p/c?command=id&output=1", headers=upgrade),
        ]
        assert [answer[:2] == disabled for answer in found] == [off] * 3
        assert (await ask(n, "GET", "/pods"))[0] == 200


async def test_a_command_is_run_to_its_end(tmp_path: Path) -> None:
    async with node(tmp_path, **LISTENING) as n:
        made = n.pod()
        await n.advance(1)
        asked: list[list[str]] = []

        def on_exec(container_id: str, command: Any) -> tuple[int, str]:
            asked.append(list(command))
            return (3, "no") if command[0] == "fail" else (0, "hello")

        n.runtime.on_exec = on_exec
        place = "/run/default/p/c"
        assert (await ask(n, "POST", f"{place}?cmd=echo+a%20b"))[:2] == (200, "hello")
        assert (await ask(n, "POST", f"/run/default/p/{made.metadata.uid}/c", data={"cmd": "ls /"}))[:2] == (
            200,
            "hello",
        )
        assert asked == [["echo", "a", "b"], ["ls", "/"]]
        status, text, _ = await ask(n, "POST", f"{place}?cmd=fail")
        assert (status, text) == (500, "command 'fail' exited with 3: no\n")
        for path in ("/run/default/none/c", "/run/default/p/other-uid/c", "/run/default/p/x"):
            assert (await ask(n, "POST", f"{path}?cmd=id"))[0] == 404
        assert (await ask(n, "GET", f"{place}?cmd=id"))[0] == 405


async def test_a_checkpoint(tmp_path: Path) -> None:
    async with node(tmp_path, **LISTENING) as n:
        n.pod()
        await n.advance(1)
        status, text, _ = await ask(n, "POST", "/checkpoint/default/p/c?timeout=5")
        (path,) = json.loads(text)["items"]
        assert status == 200
        assert path == str(tmp_path / "kubelet/checkpoints/checkpoint-p_default-c-2026-01-01T00:00:01Z.tar")
        assert n.runtime.called("checkpoint")[0][2] == path
        assert Path(path).parent.stat().st_mode & 0o777 == 0o700
        assert (await ask(n, "POST", "/checkpoint/default/p/x"))[:2] == (404, "container x does not exist\n")
        assert (await ask(n, "POST", "/checkpoint/default/p/c?timeout=-1"))[0] == 404
        n.runtime.fail("checkpoint", RuntimeUnsupported("unknown method"))
        status, text, _ = await ask(n, "POST", "/checkpoint/default/p/c")
        assert (status, text.split(" (")[0]) == (500, "checkpointing of default/p/c failed")


async def test_the_pages_about_itself(tmp_path: Path) -> None:
    async with node(tmp_path, **LISTENING, eviction_hard={"memory.available": "100Mi"}) as n:
        await n.clock.jump(3723)
        status, text, response = await ask(n, "GET", "/statusz")
        assert (status, response.headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
        assert text.startswith("kubelet statusz\nWarning: This endpoint is not meant to be machine parseable, ")
        assert "\nStarted: Thu Jan  1 00:00:00 UTC 2026\nUp: 1 hr 02 min 03 sec\n" in text
        assert "\nBinary version: 1.36.0+sampan" in text and " /pods " in text and '"node": "n1"' in text
        status, text, _ = await ask(n, "GET", "/flagz")
        lines = text.splitlines()
        assert lines[0] == "kubelet flagz"
        for line in (
            "max-pods=110",
            "eviction-hard=memory.available=100Mi",
            "cluster-dns=[10.96.0.10]",
            "authentication-anonymous-enabled=false",
        ):
            assert line in lines


def test_flags_are_named_as_upstreams() -> None:
    assert [
        zpages.flag(name) for name in ("maxPods", "cpuCFSQuota", "imageGCHighThresholdPercent", "staticPodURL")
    ] == [
        "max-pods",
        "cpu-cfs-quota",
        "image-gc-high-threshold-percent",
        "static-pod-url",
    ]
