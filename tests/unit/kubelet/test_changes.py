"""Files that follow what they show: watches, retries, tokens; and none of it in vain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sampan.api.kinds import core_v1, meta_v1

from .harness import Node, node

MOUNTED = [{"name": "c", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]


def config_map(n: Node, name: str, text: str, **fields: Any) -> None:
    meta = meta_v1.ObjectMeta(name=name, namespace="default")
    n.api.add(core_v1.ConfigMap(metadata=meta, data={"key": text}, **fields))


def pod(n: Node, name: str = "p", **volume: Any) -> None:
    n.pod(name, containers=MOUNTED, volumes=[{"name": "v", **(volume or {"configMap": {"name": "cm"}})}])


def shown(n: Node, plugin: str = "configmap", name: str = "p", key: str = "key") -> str:
    return (n.config.root / f"pods/uid-{name}/volumes/kubernetes.io~{plugin}/v/{key}").read_text()


def reads(n: Node) -> int:
    return sum(action.verb == "get" and action.plural in ("configmaps", "secrets") for action in n.api.actions)


def watches(n: Node) -> int:
    return int(n.kubelet.statistics()["objects"]["watches"])


async def test_a_change_shows_at_once_and_costs_one_read_for_all_pods(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        config_map(n, "cm", "one")
        pod(n, "p")
        pod(n, "q")
        await n.advance(1)
        assert watches(n) == 1
        before = reads(n)
        await n.advance(600)
        assert reads(n) == before, "nothing is asked for while nothing changes"
        n.api.change(core_v1.ConfigMap, "cm", "default", lambda found: found.data.update(key="two"))
        await n.advance(1)
        assert (shown(n), shown(n, name="q")) == ("two", "two")
        assert reads(n) == before + 1
        await n.delete("p")
        await n.delete("q")
        await n.advance(60)
        assert watches(n) == 0


async def test_what_cannot_change_is_not_watched(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        config_map(n, "cm", "one", immutable=True)
        pod(n)
        await n.advance(1)
        assert (shown(n), watches(n)) == ("one", 0)


async def test_a_missing_object_is_waited_for_with_growing_pauses_and_noticed_when_it_comes(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        pod(n)
        await n.advance(1000)
        told = 'FailedMount: MountVolume.SetUp failed for volume "v" : configmap "cm" not found'
        assert told in n.events()
        assert 12 <= reads(n) <= 16, "half a second, one, two, ... 122"
        config_map(n, "cm", "late")
        await n.advance(1)
        assert n.runtime.running() == ["c"]


async def test_a_refresh_that_fails_is_told_and_tried_again(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        config_map(n, "cm", "one")
        pod(n)
        await n.advance(1)
        n.api.remove(core_v1.ConfigMap, "cm", "default")
        await n.advance(1)
        assert 'FailedMount: MountVolume.SetUp failed for volume "v" : configmap "cm" not found' in n.events()
        assert shown(n) == "one"
        config_map(n, "cm", "two")
        await n.advance(1)
        assert shown(n) == "two"
        assert n.runtime.running() == ["c"]


async def test_labels_of_the_pod_itself(tmp_path: Path) -> None:
    items = [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]
    async with node(tmp_path) as n:
        pod(n, downwardAPI={"items": items})
        await n.advance(1)
        n.api.change(core_v1.Pod, "p", "default", lambda found: setattr(found.metadata, "labels", {"a": "b"}))
        await n.advance(1)
        assert shown(n, "downward-api", key="labels") == 'a="b"'


async def test_what_is_taken_away_is_not_made_anew_by_a_change(tmp_path: Path) -> None:
    """The pod has run to its end, and its ConfigMap changes at that moment."""
    async with node(tmp_path) as n:
        config_map(n, "cm", "one")
        n.pod(containers=MOUNTED, volumes=[{"name": "v", "configMap": {"name": "cm"}}], restartPolicy="Never")
        await n.advance(1)
        n.api.change(core_v1.ConfigMap, "cm", "default", lambda found: found.data.update(key="two"))
        n.runtime.exit("c")
        await n.advance(5)
        assert n.status().phase == "Succeeded"
        assert not (n.config.root / "pods/uid-p/volumes").exists()
        assert watches(n) == 0
        n.api.change(core_v1.ConfigMap, "cm", "default", lambda found: found.data.update(key="three"))
        await n.advance(5)
        assert not (n.config.root / "pods/uid-p/volumes").exists()
