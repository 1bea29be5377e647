"""The two scripts: up is repeatable, down leaves nothing. Runs last, on the cluster the other tests have used."""

from __future__ import annotations

import subprocess
from pathlib import Path

from .harness import Cluster, run


def test_up_again_changes_nothing(cluster: Cluster) -> None:
    def state() -> dict[str, tuple[int, int]]:
        return {entry.name: (entry.pid, entry.restarts) for entry in cluster.records.all()}

    first, version = state(), cluster.get("nodes")["items"][0]["metadata"]["uid"]
    shown = cluster.up("--no-sample")
    assert "already runs" in shown
    assert state() == first
    assert cluster.get("nodes")["items"][0]["metadata"]["uid"] == version


def test_status_tells_all_is_well(cluster: Cluster) -> None:
    text = cluster.sampan("status").stdout
    assert "All is well." in text and "containerd" in text and "Ready" in text


def test_keep_data_keeps_the_objects(cluster: Cluster) -> None:
    uid = cluster.kubectl("create", "configmap", "kept", "-o", "jsonpath={.metadata.uid}").stdout
    cluster.down("--keep-data")
    assert not leftovers(cluster.data_dir)
    cluster.up("--no-sample")
    assert cluster.get("configmap", "kept")["metadata"]["uid"] == uid


def test_down_leaves_nothing(cluster: Cluster) -> None:
    shown = cluster.up()
    assert "Hello from hello-" in shown
    assert leftovers(cluster.data_dir)
    cluster.down()
    assert not leftovers(cluster.data_dir)
    assert not cluster.data_dir.exists()


def leftovers(data_dir: Path) -> list[str]:
    """Processes, mounts, interfaces, firewall tables, namespaces and cgroups that a cluster makes."""
    found = [line for line in Path("/proc/mounts").read_text().splitlines() if str(data_dir) in line]
    commands = {
        "process": ["pgrep", "-af", f"{data_dir}/|sampan: "],
        "interface": ["ip", "-br", "link"],
        "table": ["nft", "list", "tables"],
        "namespace": ["ip", "netns", "list"],
    }
    for kind, command in commands.items():
        shown = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
        found += [f"{kind} {line}" for line in shown if is_ours(kind, line)]
    mount = Path("/sys/fs/cgroup")
    groups = [path for pattern in ("kubepods*", "*/kubepods*") for path in mount.glob(pattern)]
    # The tests of the kubelet alone have groups of their own, until the run ends.
    return found + [str(path) for path in groups if not path.name.startswith("kubepods-test-")]


def is_ours(kind: str, line: str) -> bool:
    if kind == "process":
        return not any(word in line for word in ("pgrep", "pytest", "<defunct>"))
    return "sampan-test" not in line and ("sampan" in line or line.startswith(("veth", "cni-")))


def test_scripts_up_and_down_say_what_they_do() -> None:
    from .harness import ROOT

    for script in ("up", "down"):
        assert "Usage" in run(["bash", str(ROOT / "scripts" / script), "--help"]).stdout
