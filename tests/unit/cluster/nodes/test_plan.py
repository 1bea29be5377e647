"""What the further nodes are called, where they are, and by what they are made."""

from __future__ import annotations

from pathlib import Path

from sampan.cluster.bringup import changes
from sampan.cluster.nodes.namespaces import masquerade_text
from sampan.cluster.nodes.plan import Plan
from sampan.cluster.options import Options


def test_names_and_addresses() -> None:
    plan = Plan(Options(node_name="here", nodes=3))
    assert [(place.name, place.address, place.cgroup) for place in plan] == [
        ("here-2", "172.31.254.2", "kubepods2"),
        ("here-3", "172.31.254.3", "kubepods3"),
    ]
    assert plan.switch.gateway == "172.31.254.1"
    assert not Plan(Options())


def test_a_node_joins_as_a_stranger_would() -> None:
    (place,) = Plan(Options(node_name="here", nodes=2, data_dir="/data"))
    command = place.join("https://192.0.2.1:6443", "sha256:1")
    assert command[:2] == ["nsenter", "--net=/run/netns/sampan-node-2"]
    assert command[command.index("join") + 1] == "https://192.0.2.1:6443"
    assert command[-2:] == ["--data-dir", "/data/nodes/2"]
    assert "--token-file" in command and "--token" not in command


def test_nodes_no_longer_wanted_are_found_by_their_folders(tmp_path: Path) -> None:
    for name in ("2", "3", "10", "other"):
        (tmp_path / "nodes" / name).mkdir(parents=True)
    plan = Plan(Options(node_name="here", nodes=3, data_dir=str(tmp_path)))
    assert [place.number for place in plan.superfluous()] == [10]
    two, three = plan
    assert changes(plan, [three], plan.superfluous()) == "here-3 joined; here-2 runs already; here-10 removed"
    assert changes(Plan(Options(data_dir=str(tmp_path / "none"))), [], []) == ""
    assert two.layout.data_dir == tmp_path / "nodes" / "2"


def test_only_what_leaves_the_cluster_is_translated() -> None:
    text = masquerade_text(Options())
    assert 'oifname != "sampan-nodes"' in text
    assert "ip daddr != { 172.31.254.0/24, 10.244.0.0/16, 10.96.0.0/16, 172.31.255.0/27 }" in text
