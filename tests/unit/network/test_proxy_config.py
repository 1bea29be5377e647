from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sampan.network.proxy import modes
from sampan.network.proxy.config import BadProxyConfig, ProxyConfig, flagged, load, with_mode
from sampan.network.proxy.ipvs.tuning import Tuning
from sampan.network.proxy.settings import IPV4, IPV6
from sampan.network.proxy.tracking import Tracking, apply, wanted

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


def test_what_tunes_ipvs_and_the_memory_of_connections(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        """\
mode: ipvs
ipvs: {scheduler: mh, strictARP: true, excludeCIDRs: [192.0.2.0/24], tcpTimeout: 15m, tcpFinTimeout: 2m0s}
conntrack: {maxPerCore: null, min: 200000, tcpCloseWaitTimeout: 1h0m0s, tcpBeLiberal: true, udpStreamTimeout: 90s}
""",
    )
    assert config.ipvs == Tuning(
        scheduler="mh", strict_arp=True, exclude=("192.0.2.0/24",), tcp_seconds=900, tcp_fin_seconds=120
    )
    assert wanted(config.tracking, cores=4, most=1000) == {
        "net.netfilter.nf_conntrack_tcp_timeout_close_wait": "3600",
        "net.netfilter.nf_conntrack_tcp_be_liberal": "1",
        "net.netfilter.nf_conntrack_udp_timeout_stream": "90",
        "net.netfilter.nf_conntrack_max": "200000",
    }


@pytest.mark.parametrize(
    ("tracking", "cores", "most", "then"),
    [
        (Tracking(), 64, 10, None),
        (Tracking(per_core=0, least=500_000), 64, 10, None),
        (Tracking(per_core=10_000), 64, 10, "640000"),
        (Tracking(per_core=10_000), 2, 10, "131072"),
        (Tracking(per_core=10_000), 2, 262_144, None),
    ],
)
def test_how_many_connections_are_tracked(tracking: Tracking, cores: int, most: int, then: str | None) -> None:
    assert wanted(tracking, cores, most).get("net.netfilter.nf_conntrack_max") == then


def test_settings_of_connections_that_the_kernel_refuses_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    def ensure(name: str, value: str) -> bool:
        raise OSError(f"cannot set {name}={value}")

    apply(Tracking(udp_seconds=30), ensure)
    assert "conntrack is not set as configured" in caplog.text


def test_flags_go_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / "proxy.yaml"
    file.write_text(HEAD + "mode: ipvs\nipvs: {scheduler: lc, strictARP: true}\n")
    config = load(file, BASE, {"ipvs": {"scheduler": "sh"}, "nodePortAddresses": ["192.0.2.0/24"]})
    assert (config.mode, config.ipvs.scheduler, config.ipvs.strict_arp) == ("ipvs", "sh", True)
    alone = flagged(BASE, {"iptables": {"masqueradeAll": True}, "metricsBindAddress": "0.0.0.0:0"})
    assert (alone.mode, alone.metrics, alone.masquerade_all) == (BASE.mode, None, False)
    assert flagged(BASE, {}) is BASE
    with pytest.raises(BadProxyConfig, match=r"options: .*must be a duration"):
        flagged(BASE, {"ipvs": {"tcpTimeout": "soon"}})


def test_node_ports_at_the_nodes_primary_addresses(tmp_path: Path) -> None:
    config = replace(read(tmp_path, "nodePortAddresses: [primary]\n"), node_addresses=("192.0.2.7",))
    four, six = (config.settings(family) for family in config.families)
    assert four.nodeport_addresses == ("192.0.2.7/32",)
    assert six.nodeport_addresses == ("::1/128",), "none that anybody reaches"
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
        ("ipvs: {excludeCIDRs: [everything]}", "'everything' is no network"),
        ("conntrack: {udpTimeout: 5}", "conntrack.udpTimeout"),
        ("ipvs: {tcpTimeout: soon}", "must be a duration"),
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
