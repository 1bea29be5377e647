"""kube-proxy's flags reach the proxy's settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from sampan.cli.proxy import command
from sampan.cli.proxyflags import FLAGS
from sampan.cluster import components, node
from sampan.cluster.options import Options
from sampan.network.proxy.config import KubeProxyConfiguration, ProxyConfig


def given(monkeypatch: pytest.MonkeyPatch, folder: Path, *flags: str) -> ProxyConfig:
    """The settings that `sampan proxy` would run with."""
    seen: list[Options] = []
    monkeypatch.setattr(components, "run_parts", lambda parts, options, **_: seen.append(options))
    monkeypatch.setattr("sampan.cluster.process.run", lambda work: work())
    result = CliRunner().invoke(command, ["--data-dir", str(folder), *flags])
    assert result.exit_code == 0, result.output
    return node.proxy_config(seen[0])


def test_flags_as_kube_proxy_has_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = given(
        monkeypatch, tmp_path,
        "--proxy-mode=ipvs", "--masquerade-all", "--nodeport-addresses=192.0.2.0/24,2001:db8::/32",
        "--detect-local-mode=InterfaceNamePrefix", "--pod-interface-name-prefix=veth", "--ipvs-tcpfin-timeout=2m",
        "--ipvs-exclude-cidrs", "198.51.100.0/24", "--conntrack-udp-timeout=45s", "--conntrack-tcp-be-liberal=true",
        "--metrics-bind-address=0.0.0.0:10249", "--hostname-override=n9", "--ipvs-strict-arp",
        "--iptables-sync-period=30s",
    )  # fmt: skip
    assert (config.mode, config.masquerade_all, config.local_interface, config.node_name) == (
        "ipvs",
        True,
        "veth*",
        "n9",
    )
    assert config.nodeport_addresses == ("192.0.2.0/24", "2001:db8::/32")
    assert (config.ipvs.strict_arp, config.ipvs.tcp_fin_seconds, config.ipvs.exclude) == (
        True,
        120,
        ("198.51.100.0/24",),
    )
    assert (config.tracking.udp_seconds, config.tracking.liberal) == (45, True)
    assert config.metrics == ("0.0.0.0", 10249)


def test_without_flags_the_file_stands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "proxy.yaml"
    file.write_text(
        "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: iptables\n"
        "iptables: {masqueradeAll: true, localhostNodePorts: false}\n"
    )
    config = given(monkeypatch, tmp_path, "--config", str(file))
    assert (config.mode, config.masquerade_all, config.localhost_nodeports) == ("iptables", True, False)
    config = given(monkeypatch, tmp_path, "--config", str(file), "--masquerade-all=false")
    assert (config.mode, config.masquerade_all, config.localhost_nodeports) == ("iptables", False, False)


@pytest.mark.parametrize(
    "flags",
    [
        (),
        ("--proxy-mode=ipvs", "--masquerade-all", "--ipvs-scheduler=sh", "--ipvs-exclude-cidrs=198.51.100.0/24",
         "--ipvs-tcp-timeout=90s", "--ipvs-strict-arp", "--hostname-override=n9", "--healthz-bind-address=[::]:10300"),
        ("--proxy-mode=iptables", "--nodeport-addresses=primary", "--iptables-localhost-nodeports=false",
         "--detect-local-mode=BridgeInterface", "--pod-bridge-interface=br0", "--metrics-bind-address=0.0.0.0:0"),
        ("--detect-local-mode=InterfaceNamePrefix", "--pod-interface-name-prefix=veth", "--conntrack-min=9",
         "--conntrack-max-per-core=0", "--conntrack-tcp-timeout-established=1h", "--conntrack-tcp-be-liberal"),
    ],
)  # fmt: skip
def test_what_is_written_is_read_as_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    file = tmp_path / "written.yaml"
    done = CliRunner().invoke(command, ["--data-dir", str(tmp_path), f"--write-config-to={file}", *flags])
    assert done.exit_code == 0, done.output
    assert given(monkeypatch, tmp_path, "--config", str(file)) == given(monkeypatch, tmp_path, *flags)


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    file = tmp_path / "nowhere" / "written.yaml"
    done = CliRunner().invoke(command, ["--data-dir", str(tmp_path), f"--write-config-to={file}"])
    assert done.exit_code and "cannot write" in str(done.exception)


def test_every_flag_is_a_field_of_the_file() -> None:
    for field, _, _ in FLAGS.values():
        part: object = KubeProxyConfiguration(apiVersion="", kind="")
        for name in field.split("."):
            part = getattr(part, name)
