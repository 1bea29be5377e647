from __future__ import annotations

from pathlib import Path

import pytest

from sampan.network.proxy import modes
from sampan.network.proxy.config import BadProxyConfig, ProxyConfig, load, with_mode
from sampan.network.proxy.settings import IPV4, IPV6

HEAD = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n"
BASE = ProxyConfig(cluster_cidrs=("10.244.0.0/16",), service_cidrs=("10.96.0.0/16", "fd00:96::/112"), node_name="n1")


def read(tmp_path: Path, text: str, head: str = HEAD) -> ProxyConfig:
    file = tmp_path / "proxy.yaml"
    file.write_text(head + text)
    return load(file, BASE)


def test_a_file_for_kube_proxy(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        """\
mode: nftables
clusterCIDR: 10.1.0.0/16,fd01::/56
nodePortAddresses: [192.0.2.0/24]
nftables: {masqueradeAll: true, syncPeriod: 30s}
iptables: {localhostNodePorts: false}
conntrack: {maxPerCore: 0}
healthzBindAddress: "[::1]:1234"
metricsBindAddress: 0.0.0.0:0
hostnameOverride: other
clientConnection: {kubeconfig: /x}
""",
    )
    assert (config.node_name, config.kubeconfig, config.health, config.metrics) == ("other", "/x", ("::1", 1234), None)
    four, six = (config.settings(family) for family in config.families)
    assert (four.cluster_cidr, six.cluster_cidr) == ("10.1.0.0/16", "fd01::/56")
    assert (four.nodeport_addresses, six.nodeport_addresses) == (("192.0.2.0/24",), ())
    assert four.masquerade_all
    assert not four.opens_loopback


def test_what_tells_local_traffic(tmp_path: Path) -> None:
    bridge = "detectLocalMode: BridgeInterface\ndetectLocal: {bridgeInterface: br0}\n"
    assert read(tmp_path, bridge).local_interface == "br0"
    prefix = "detectLocalMode: InterfaceNamePrefix\ndetectLocal: {interfaceNamePrefix: veth}\n"
    assert read(tmp_path, prefix).local_interface == "veth*"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mode: userspace", "no proxy mode 'userspace': choose one of nftables"),
        ("clusterCIDR: 10.1.0.0/40", "'10.1.0.0/40' is no network"),
        ("masqueradeall: true", "unknown field `masqueradeall`"),
        ("healthzBindAddress: here:80", "no place to listen at"),
        ("detectLocalMode: Magic", "choose one of ClusterCIDR"),
        ("detectLocalMode: BridgeInterface", "needs the interface's name"),
        ("a: [", "proxy.yaml"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(BadProxyConfig, match=words):
        read(tmp_path, text)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(BadProxyConfig, match="not a KubeProxyConfiguration"):
        read(tmp_path, "", head="apiVersion: v1\nkind: Pod\n")
    with pytest.raises(BadProxyConfig, match="cannot read"):
        load(tmp_path / "none", BASE)


def test_families_and_modes() -> None:
    assert BASE.families == [IPV4, IPV6]
    assert ProxyConfig().families == [IPV4]
    for mode in modes.BACKENDS:
        config = with_mode(BASE, mode)
        assert list(modes.chosen(config)) == ["IPv4", "IPv6"]
        assert len(modes.former(config)) == 2 * len(modes.PARTS.keys() - modes.USED[mode])
        assert len(modes.all_parts(config)) == 2 * len(modes.PARTS)
