"""What containers are given, and that it follows what it comes from."""

from __future__ import annotations

from pathlib import Path

from sampan.api.kinds import core_v1, meta_v1

from .harness import node


async def test_a_missing_config_map_holds_the_container(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.pod(containers=[{"name": "c", "envFrom": [{"configMapRef": {"name": "later"}}]}])
        await n.advance(1)
        assert n.container().state.waiting.reason == "CreateContainerConfigError"
        assert n.container().state.waiting.message == 'configmap "later" not found'
        meta = meta_v1.ObjectMeta(name="later", namespace="default")
        n.api.add(core_v1.ConfigMap(metadata=meta, data={"A": "b"}))
        await n.advance(10)
        assert n.runtime.running() == ["c"]
        assert {e.key: e.value for e in n.runtime.config("c").envs}["A"] == "b"


async def test_volumes_follow_their_config_map(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        meta = meta_v1.ObjectMeta(name="cm", namespace="default")
        n.api.add(core_v1.ConfigMap(metadata=meta, data={"a": "1"}))
        n.pod(
            volumes=[{"name": "v", "configMap": {"name": "cm"}}],
            containers=[{"name": "c", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
        )
        await n.advance(1)
        mount = next(m for m in n.runtime.config("c").mounts if m.container_path == "/v")
        assert (Path(mount.host_path) / "a").read_text() == "1"
        n.api.change(core_v1.ConfigMap, "cm", "default", lambda cm: setattr(cm, "data", {"a": "2", "b": "3"}))
        await n.advance(61)
        assert (Path(mount.host_path) / "a").read_text() == "2"
        assert (Path(mount.host_path) / "b").read_text() == "3"
