"""Pulling images: failures, back-off, sharing, credentials."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from sampan.api.errors import ServiceUnavailable
from sampan.api.kinds import core_v1, meta_v1

from .harness import Node, node


async def test_a_pull_that_fails_is_backed_off_and_then_works(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.refusals["r/x:1"] = "pull access denied"
        n.pod(containers=[{"name": "c", "image": "r/x:1"}], imagePullSecrets=[{"name": "gone"}])
        await n.advance(1)
        assert n.container().state.waiting.reason == "ErrImagePull"
        assert n.container().state.waiting.message == "pull access denied"
        assert (
            "FailedToRetrieveImagePullSecret: Unable to retrieve some image pull secrets (gone); "
            "attempting to pull the image may not succeed." in n.events()
        )
        await n.advance(3)
        assert n.container().state.waiting.reason == "ImagePullBackOff"
        assert 'BackOff: Back-off pulling image "r/x:1"' in n.events()
        n.runtime.registry.add("r/x:1")
        await n.advance(4)
        assert n.runtime.running() == []
        await n.advance(3)
        assert n.runtime.running() == ["c"]
        assert len(n.runtime.called("pull_image")) == 2


async def test_pods_share_one_pull(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.registry.add("r/x:1")
        n.runtime.pull_seconds = 5
        for name in "abc":
            n.pod(name, containers=[{"name": "c", "image": "r/x:1"}])
        await n.advance(6)
        assert n.runtime.running() == ["c", "c", "c"]
        assert len(n.runtime.called("pull_image")) == 1


async def test_a_pod_deleted_while_its_image_is_pulled_goes_at_once(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.registry.add("r/x:1")
        n.runtime.pull_seconds = 1000
        n.pod(containers=[{"name": "c", "image": "r/x:1"}])
        await n.advance(1)
        await n.delete()
        await n.advance(1)
        assert n.get() is None
        assert not n.runtime.sandboxes


async def test_a_pull_uses_the_pods_secrets(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        document = {"auths": {"r.example:5000": {"username": "me", "password": "secret"}}}
        data = {".dockerconfigjson": base64.b64encode(json.dumps(document).encode()).decode()}
        meta = meta_v1.ObjectMeta(name="reg", namespace="default")
        n.api.add(core_v1.Secret(metadata=meta, type="kubernetes.io/dockerconfigjson", data=data))
        n.runtime.registry.add("r.example:5000/x:1")
        n.pod(containers=[{"name": "c", "image": "r.example:5000/x:1"}], imagePullSecrets=[{"name": "reg"}])
        await n.advance(1)
        assert n.runtime.called("pull_image") == [("pull_image", "r.example:5000/x:1", "me")]


def secret(n: Node, name: str, password: str) -> None:
    document = {"auths": {"r.example": {"username": "me", "password": password}}}
    data = {".dockerconfigjson": base64.b64encode(json.dumps(document).encode()).decode()}
    meta = meta_v1.ObjectMeta(name=name, namespace="default", uid=f"uid-{name}")
    n.api.add(core_v1.Secret(metadata=meta, type="kubernetes.io/dockerconfigjson", data=data))


async def test_an_image_that_one_pod_had_the_key_to_is_not_everybodys(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        secret(n, "key", "right")
        n.runtime.registry.add("r.example/x:1")
        container = {"name": "c", "image": "r.example/x:1"}
        n.pod("owner", containers=[container], imagePullSecrets=[{"name": "key"}])
        await n.advance(1)
        n.runtime.registry.clear()
        n.pod("thief", containers=[container])
        n.pod("sly", containers=[{**container, "imagePullPolicy": "Never"}])
        n.pod("friend", containers=[container], imagePullSecrets=[{"name": "key"}])
        await n.advance(1)
        assert n.runtime.running() == ["c", "c"]
        assert n.container(pod="thief").state.waiting.reason == "ErrImagePull"
        assert n.container(pod="sly").state.waiting.reason == "ErrImageNeverPull"
        assert n.status("friend").phase == "Running"
        await n.stop()
        await n.start()
        n.pod("again", containers=[container])
        await n.advance(1)
        assert n.container(pod="again").state.waiting.reason == "ErrImagePull"


async def test_the_last_to_give_up_ends_the_pull(tmp_path: Path) -> None:
    async with node(tmp_path, serialize_pulls=True) as n:
        n.runtime.registry |= {"r/hangs:1", "r/x:1"}
        n.runtime.pull_seconds = 100_000
        for name in ("p", "q"):
            n.pod(name, containers=[{"name": "c", "image": "r/hangs:1"}])
        await n.advance(1)
        n.runtime.pull_seconds = 1
        n.pod("waits", containers=[{"name": "c", "image": "r/x:1"}])
        await n.advance(10)
        assert n.kubelet.statistics()["images"]["pulling"] == ["r/hangs:1", "r/x:1"]
        await n.delete("p")
        await n.advance(10)
        assert n.status("waits").phase == "Pending"
        await n.delete("q")
        await n.advance(2)
        assert n.status("waits").phase == "Running"
        assert n.get("q") is None
        told = next(event for event in n.events() if "Successfully pulled" in event)
        assert told.endswith('"r/x:1" in 1s (21s including waiting). Image size: 1048576 bytes.')


@pytest.mark.parametrize(
    ("said", "reason", "message"),
    [
        (
            "RegistryUnavailable: 503",
            "RegistryUnavailable",
            "image pull failed for r/x:1 because the registry is unavailable: 503",
        ),
        (
            "SignatureValidationFailed",
            "SignatureValidationFailed",
            "image pull failed for r/x:1 because the signature validation failed",
        ),
        ("denied: no", "ErrImagePull", "denied: no"),
    ],
)
async def test_what_the_runtime_says_of_registries(tmp_path: Path, said: str, reason: str, message: str) -> None:
    async with node(tmp_path) as n:
        n.runtime.refusals["r/x:1"] = said
        n.pod(containers=[{"name": "c", "image": "r/x:1"}])
        await n.advance(1)
        waiting = n.container().state.waiting
        assert (waiting.reason, waiting.message) == (reason, message)
        await n.advance(3)
        waiting = n.container().state.waiting
        assert waiting.reason == "ImagePullBackOff"
        assert waiting.message == f'Back-off pulling image "r/x:1": {reason}: {message}'


async def test_an_image_that_cannot_be_looked_at(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.fail("image_status", "snapshotter is broken")
        n.pod()
        await n.advance(1)
        waiting = n.container().state.waiting
        text = 'Failed to inspect image "sampan.dev/sample:1": snapshotter is broken'
        assert (waiting.reason, waiting.message) == ("ImageInspectError", text)
        assert f"InspectFailed: {text}" in n.events()
        await n.advance(11)
        assert n.runtime.running() == ["c"]


async def test_the_nodes_own_credentials_are_for_all(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        config = {"auths": {"r.example": {"auth": base64.b64encode(b"node:key").decode()}}}
        (n.config.root / "config.json").write_text(json.dumps(config))
        n.runtime.registry.add("r.example/x:1")
        for name in ("p", "q"):
            n.pod(name, containers=[{"name": "c", "image": "r.example/x:1"}])
            await n.advance(1)
        assert n.runtime.called("pull_image") == [("pull_image", "r.example/x:1", "node")]


async def test_a_name_that_is_none(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.pod(containers=[{"name": "c", "image": "Not:A:Name"}])
        await n.advance(1)
        assert n.container().state.waiting.reason == "InvalidImageName"
        assert "Failed: Error: InvalidImageName" in n.events()


async def test_a_container_restarts_while_the_api_is_away(tmp_path: Path) -> None:
    """Its image was pulled with a secret, which cannot be asked for now."""
    async with node(tmp_path) as n:
        secret(n, "key", "right")
        n.runtime.registry.add("r.example/x:1")
        image = {"image": "r.example/x:1", "imagePullPolicy": "IfNotPresent"}
        n.pod(containers=[{"name": "c", **image}], imagePullSecrets=[{"name": "key"}])
        await n.advance(1)
        n.runtime.exit("c", 1)
        await n.advance(1)
        assert n.runtime.running() == ["c"]
        n.runtime.registry.clear()
        n.api.fail("get", "secrets", ServiceUnavailable("away"), times=100)
        n.runtime.exit("c", 1)
        await n.advance(30)
        assert n.runtime.running() == ["c"]
        assert len(n.runtime.called("pull_image")) == 1


@pytest.mark.parametrize(("settings", "begun"), [({"max_parallel_pulls": 2}, 2), ({"serialize_pulls": True}, 1)])
async def test_so_many_pulls_at_a_time(tmp_path: Path, settings: dict[str, Any], begun: int) -> None:
    async with node(tmp_path, **settings) as n:
        n.runtime.registry |= {f"r/{name}:1" for name in "abc"}
        n.runtime.pull_seconds = 10
        for name in "abc":
            n.pod(name, containers=[{"name": "c", "image": f"r/{name}:1"}])
        await n.advance(5)
        assert len(n.runtime.called("pull_image")) == begun
        await n.advance(36)
        assert n.runtime.running() == ["c", "c", "c"]
