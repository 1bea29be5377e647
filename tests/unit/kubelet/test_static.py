"""Static pods: what a manifest becomes, mirrors, changed and missing files, an API that is away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from aiohttp import web

from sampan.aio.clock import SystemClock
from sampan.api.kinds import core_v1
from sampan.client.errors import Unreachable
from sampan.kubelet.static.marks import HASH, MIRROR, SOURCE
from sampan.kubelet.static.mirrors import mirror_of, plan
from sampan.kubelet.static.read import BadManifest, pods_of
from sampan.kubelet.static.sources import Url

from .harness import IMAGE, Node, node


def manifest(name: str = "web", **spec: Any) -> dict[str, Any]:
    body = {"containers": [{"name": "c", "image": IMAGE}], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": body}


def read(document: Any, place: str = "/a.yaml") -> list[Any]:
    return pods_of(yaml.safe_dump(document).encode(), source="file", place=place, node="n1", now=0)


def test_what_a_manifest_becomes() -> None:
    (pod,) = read(manifest())
    meta = pod.metadata
    assert (meta.name, meta.namespace, pod.spec.nodeName) == ("web-n1", "default", "n1")
    assert meta.annotations[SOURCE] == "file"
    assert meta.annotations[HASH] == meta.uid
    assert (pod.spec.tolerations[0].operator, pod.spec.tolerations[0].effect) == ("Exists", "NoExecute")
    assert pod.spec.restartPolicy == "Always", "it has its defaults"
    assert read(manifest())[0].metadata.uid == meta.uid
    assert read(manifest(), "/b.yaml")[0].metadata.uid != meta.uid
    assert read(manifest(hostNetwork=True))[0].metadata.uid != meta.uid
    pods = {"apiVersion": "v1", "kind": "PodList", "items": [manifest("a"), manifest("b")]}
    assert [p.metadata.name for p in read(pods)] == ["a-n1", "b-n1"]


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ("{", "it is no YAML"),
        ([], "neither a v1 Pod nor a v1 PodList"),
        ({"apiVersion": "apps/v1", "kind": "Deployment"}, "neither a v1 Pod"),
        (manifest(colour="red"), "unknown field spec.colour"),
        (manifest("Not_A_Name"), "metadata.name"),
        (manifest(containers=[]), "spec.containers: Required value"),
        (manifest(containers="many"), "Expected `array"),
        (manifest(serviceAccountName="me"), "a static pod has none"),
        (manifest(volumes=[{"name": "v", "secret": {"secretName": "s"}}]), "a static pod may not use secret"),
        (
            manifest(containers=[{"name": "c", "image": "i", "envFrom": [{"configMapRef": {"name": "m"}}]}]),
            "may not take its environment",
        ),
    ],
)
def test_manifests_that_will_not_do(document: Any, problem: str) -> None:
    data = document if isinstance(document, str) else yaml.safe_dump(document)
    with pytest.raises(BadManifest, match=problem):
        pods_of(data.encode(), source="file", place="/a", node="n1", now=0)


def test_what_is_to_be_mirrored() -> None:
    (pod,) = read(manifest())
    made = core_v1.Node(metadata=msgspec.convert({"name": "n1", "uid": "u"}, type(pod.metadata)))
    mirror = mirror_of(pod, made)
    assert mirror.metadata.annotations[MIRROR] == pod.metadata.uid
    assert mirror.metadata.ownerReferences[0].controller
    assert plan([pod], [mirror]) == ([], [])
    assert plan([pod], []) == ([pod], [])
    assert plan([], [mirror]) == ([], [mirror])
    old = mirror_of(read(manifest(hostNetwork=True))[0], made)
    assert plan([pod], [old]) == ([pod], [old])
    mirror.metadata.deletionTimestamp = "2026-01-01T00:00:00Z"
    assert plan([pod], [mirror]) == ([pod], [mirror])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "manifests"
    made.mkdir()
    return made


def write(folder: Path, document: dict[str, Any], name: str = "web.yaml") -> None:
    (folder / name).write_text(yaml.safe_dump(document))


def mirror(n: Node) -> Any:
    return n.api.peek(core_v1.Pod, "web-n1", "default")


async def test_from_file_to_mirror_and_back(tmp_path: Path, folder: Path) -> None:
    write(folder, manifest())
    async with node(tmp_path, static_pod_path=folder) as n:
        await n.advance(3)
        assert n.runtime.running() == ["c"]
        assert mirror(n).status.phase == "Running"
        assert mirror(n).metadata.ownerReferences[0].kind == "Node"
        uid = mirror(n).metadata.uid
        await n.api.delete(core_v1.Pod, "web-n1", "default", grace_period_seconds=30)
        await n.advance(5)
        assert mirror(n).metadata.uid != uid, "a new one"
        assert mirror(n).status.phase == "Running", "which is told all again"
        assert len(n.runtime.called("create_container")) == 1, "the pod itself does not notice"
        write(folder, manifest(containers=[{"name": "d", "image": IMAGE}]))
        await n.advance(40)
        assert n.runtime.running() == ["d"]
        assert mirror(n).spec.containers[0].name == "d"
        write(folder, {"kind": "nothing"}, "bad.yaml")
        (folder / "web.yaml").unlink()
        await n.advance(40)
        assert n.runtime.running() == []
        assert mirror(n) is None
        assert not list(n.kubelet.pods.all())


async def test_without_an_api(tmp_path: Path, folder: Path) -> None:
    write(folder, manifest())
    made = Node(tmp_path, static_pod_path=folder)
    for verb in ("create", "get", "list", "watch", "patch"):
        made.api.fail(verb, error=Unreachable("away"), times=1000)
    await made.start()
    try:
        await made.advance(3)
        assert made.runtime.running() == ["c"]
        made.api.recover()
        await made.advance(30)
        assert mirror(made).status.phase == "Running"
    finally:
        await made.stop()


async def test_a_new_kubelet_finds_them_again(tmp_path: Path, folder: Path) -> None:
    write(folder, manifest())
    async with node(tmp_path, static_pod_path=folder) as n:
        await n.advance(3)
        await n.stop()
        await n.start()
        await n.advance(70)
        assert len(n.runtime.called("create_container")) == 1
        assert mirror(n).status.phase == "Running"


async def test_an_orphaned_mirror_goes(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.pod("old", metadata={"annotations": {MIRROR: "x", SOURCE: "file"}})
        await n.advance(3)
        assert n.get("old") is None
        assert n.runtime.running() == []


async def test_what_a_url_is_asked_with() -> None:
    """Its headers; and an answer that comes in many pieces is read to its end."""
    asked = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.headers.getall("X-Key"))
        return web.Response(text=yaml.safe_dump(manifest()) + "#" * 300_000)

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/pods"
    source = Url(url, "n1", SystemClock(), 20.0, headers=(("X-Key", "a"), ("X-Key", "b")))
    try:
        (pod,) = await source.look() or ()
        assert (pod.metadata.name, asked) == ("web-n1", [["a", "b"]])
    finally:
        await source.close()
        await runner.cleanup()


async def test_a_url_that_comes_and_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Any] = [OSError("refused"), yaml.safe_dump(manifest()).encode(), OSError("refused"), b"{"]

    async def get(self: Url) -> bytes:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, OSError):
            raise answer
        return bytes(answer)

    monkeypatch.setattr(Url, "_get", get)
    async with node(tmp_path, static_pod_url="http://192.0.2.9/pods", http_check=1.0) as n:
        await n.advance(0.5)
        assert not n.kubelet.static.sources.ready, "nothing is cleared away before the source is known"
        await n.advance(5)
        assert n.runtime.running() == ["c"], "an answer that is none changes nothing"
        assert mirror(n).metadata.annotations[SOURCE] == "http"
