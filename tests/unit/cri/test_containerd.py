"""The configuration of our own containerd, and finding what one left."""

from __future__ import annotations

import socket
import tomllib
from pathlib import Path

import pytest

from sampan.aio.clock import SystemClock
from sampan.cri.containerd import Containerd, Host, render
from sampan.cri.teardown import lineage, remove_dead_sockets

CRI = "io.containerd.grpc.v1.cri"


def rendered(host: Host) -> dict[str, object]:
    text = render(Path("/d"), host=host, cni_conf_dir=Path("/n"), cni_bin_dir=Path("/b"))
    return tomllib.loads(text)


def test_everything_lies_in_its_own_folder() -> None:
    config = rendered(Host(systemd=False, may_lower_oom_score=True))
    assert (config["version"], config["root"], config["state"]) == (2, "/d/root", "/d/state")
    assert config["grpc"] == {"address": "/d/containerd.sock"}
    cri = config["plugins"][CRI]
    assert cri["cni"] == {"bin_dir": "/b", "conf_dir": "/n", "max_conf_num": 1}
    assert cri["sandbox_image"] == "sampan.dev/pause:1"
    assert cri["netns_mounts_under_state_dir"] is True


def test_the_machine_decides() -> None:
    plain = rendered(Host(systemd=False, may_lower_oom_score=False))["plugins"][CRI]
    proper = rendered(Host(systemd=True, may_lower_oom_score=True))["plugins"][CRI]
    assert [c["restrict_oom_score_adj"] for c in (plain, proper)] == [True, False]
    options = [c["containerd"]["runtimes"]["runc"]["options"]["SystemdCgroup"] for c in (plain, proper)]
    assert options == [False, True]


def test_the_host_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/status").write_text("Name:\tx\nCapEff:\t000001fffeffffff\n")
    assert Host.detect(tmp_path) == Host(systemd=False, may_lower_oom_score=False)
    (tmp_path / "proc/self/status").write_text("CapEff:\t000001ffffffffff\n")
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    assert Host.detect(tmp_path) == Host(systemd=True, may_lower_oom_score=True)


def test_prepare_writes_what_the_command_reads(tmp_path: Path) -> None:
    made = Containerd(tmp_path, clock=SystemClock(), host=Host(systemd=False, may_lower_oom_score=True))
    made.prepare()
    assert made.command()[:3] == ["containerd", "--config", str(tmp_path / "containerd/config.toml")]
    assert made.config_path.exists()
    assert made.cgroup_driver == "cgroupfs"


def test_lineage() -> None:
    assert list(lineage(4, {4: 3, 3: 2, 2: 1, 9: 4})) == [4, 3, 2]


def test_only_dead_sockets_go(tmp_path: Path) -> None:
    for name in ("alive", "dead"):
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(tmp_path / name))
    (tmp_path / "file").touch()
    table = tmp_path / "table"
    table.write_text(f"Num RefCount Path\n0: 00000002 {tmp_path}/alive\n")
    remove_dead_sockets(tmp_path, table)
    assert {path.name for path in tmp_path.iterdir()} == {"alive", "file", "table"}


def test_cni_configuration_of_somebody_else(tmp_path: Path) -> None:
    theirs, host = tmp_path / "theirs", Host(systemd=False, may_lower_oom_score=True)
    made = Containerd(tmp_path, clock=SystemClock(), host=host, cni_conf_dir=theirs)
    made.prepare()
    assert f'conf_dir = "{theirs}"' in made.config_path.read_text()
