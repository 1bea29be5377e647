"""Pulling images: failures, back-off, sharing, credentials."""

from __future__ import annotations

from pathlib import Path

from sampan.api.kinds import core_v1, meta_v1

from .harness import node


async def test_a_pull_that_fails_is_backed_off_and_then_works(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.refusals["r/x:1"] = "pull access denied"
        n.pod(containers=[{"name": "c", "image": "r/x:1"}])
        await n.advance(1)
        assert n.container().state.waiting.reason == "ErrImagePull"
        assert n.container().state.waiting.message == "pull access denied"
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
    import base64
    import json

    async with node(tmp_path) as n:
        document = {"auths": {"r.example:5000": {"username": "me", "password": "secret"}}}
        data = {".dockerconfigjson": base64.b64encode(json.dumps(document).encode()).decode()}
        meta = meta_v1.ObjectMeta(name="reg", namespace="default")
        n.api.add(core_v1.Secret(metadata=meta, type="kubernetes.io/dockerconfigjson", data=data))
        n.runtime.registry.add("r.example:5000/x:1")
        n.pod(containers=[{"name": "c", "image": "r.example:5000/x:1"}], imagePullSecrets=[{"name": "reg"}])
        await n.advance(1)
        assert n.runtime.called("pull_image") == [("pull_image", "r.example:5000/x:1", "me")]
