from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sampan.network import cni, command, forwarding
from sampan.network.netfilter import Chain


def network(**changes: object) -> cni.PodNetwork:
    values = {"pod_cidr": "10.244.7.0/24", "cluster_cidr": "10.244.0.0/16", "service_cidr": "10.96.0.0/16"}
    return cni.PodNetwork(**(values | changes), configuration=Path("/c"), state=Path("/s"))  # type: ignore[arg-type]


def test_configuration() -> None:
    plugins = cni.render(network(mtu=1400))["plugins"]
    assert [plugin["type"] for plugin in plugins] == ["ptp", "portmap", "bandwidth"]
    assert plugins[0]["mtu"] == 1400
    assert plugins[0]["ipam"] == {
        "type": "host-local",
        "ranges": [[{"subnet": "10.244.7.0/24", "gateway": "10.244.7.1"}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": "/s",
    }
    assert "mtu" not in cni.render(network())["plugins"][0]


def test_masquerades_only_what_leaves_the_cluster() -> None:
    text = cni.masquerade_text(network())
    assert "ip saddr 10.244.7.0/24 ip daddr != { 10.96.0.0/16, 10.244.0.0/16, 224.0.0.0/4 } masquerade" in text


def test_networks_that_pods_go_to_under_their_own_addresses() -> None:
    text = cni.masquerade_text(network(unhidden="10.0.0.0/8,192.0.2.0/24,2001:db8::/32"))
    assert "ip daddr != { 10.0.0.0/8, 192.0.2.0/24, 224.0.0.0/4 } masquerade" in text, "nothing stands there twice"


def test_both_address_families() -> None:
    both = network(
        pod_cidr="10.244.7.0/24,fd00:10:7::/64",
        cluster_cidr="10.244.0.0/16,fd00:10::/32",
        service_cidr="10.96.0.0/16",
    )
    cni.check(both)
    ipam = cni.render(both)["plugins"][0]["ipam"]
    assert ipam["ranges"][1] == [{"subnet": "fd00:10:7::/64", "gateway": "fd00:10:7::1"}]
    assert ipam["routes"] == [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]
    assert "ip6 saddr fd00:10:7::/64 ip6 daddr != { fd00:10::/32, ff00::/8 } masquerade" in cni.masquerade_text(both)


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"pod_cidr": "10.9.0.0/24"}, "not within"), ({"service_cidr": "10.244.0.0/20"}, "overlap")],
)
def test_clashing_ranges_are_told(changes: dict[str, str], words: str) -> None:
    with pytest.raises(cni.Unfit, match=words):
        cni.check(network(**changes))


def test_missing_plugins_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cni, "PLUGIN_FOLDER", tmp_path)
    with pytest.raises(cni.Unfit, match="apt-get install containernetworking-plugins"):
        cni.check(network())


def test_firewalls_that_drop_are_found() -> None:
    listing = [
        Chain("ip", "filter", "FORWARD", "forward", True),
        Chain("inet", "filter", "forward", "forward", False),
        Chain("ip6", "filter", "FORWARD", "forward", True),
        Chain("ip", "filter", "INPUT", "input", True),
        Chain("ip", "filter", "plain", "", False),
    ]
    assert forwarding.dropping_chains(listing, "forward") == [("ip", "filter", "FORWARD")]
    assert forwarding.dropping_chains(listing, "input") == [("ip", "filter", "INPUT")]


def test_a_missing_program_names_its_package() -> None:
    with pytest.raises(command.Missing, match="is not installed: apt-get install"):
        asyncio.run(command.run(("sampan-no-such-program",)))
