"""resolv.conf and /etc/hosts of pods."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sampan.api.kinds import core_v1
from sampan.kubelet.dns import Resolver, parse, resolver_for
from sampan.kubelet.hosts import hosts_text, pod_hostname

NODE = Resolver(servers=("192.0.2.53",), searches=("example.org",), options=("timeout:1",))
CLUSTER = ("ns.svc.cluster.local", "svc.cluster.local", "cluster.local", "example.org")


def pod(**spec: Any) -> Any:
    body = {"metadata": {"name": "web-0", "namespace": "ns"}, "spec": {"containers": [], **spec}}
    return msgspec.convert(body, core_v1.Pod)


def test_parsing_a_resolv_conf() -> None:
    text = "# comment\nnameserver 192.0.2.1\nnameserver 192.0.2.2\nsearch a.\nsearch b c\noptions ndots:2 rotate\n"
    assert parse(text) == Resolver(
        servers=("192.0.2.1", "192.0.2.2"), searches=("b", "c"), options=("ndots:2", "rotate")
    )


@pytest.mark.parametrize(
    ("spec", "servers", "searches", "options"),
    [
        ({}, ("10.96.0.10",), CLUSTER, ("ndots:5",)),
        ({"dnsPolicy": "Default"}, NODE.servers, NODE.searches, NODE.options),
        ({"hostNetwork": True}, NODE.servers, NODE.searches, NODE.options),
        ({"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}, ("10.96.0.10",), CLUSTER, ("ndots:5",)),
        ({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["192.0.2.9"]}}, ("192.0.2.9",), (), ()),
        (
            {
                "dnsConfig": {
                    "nameservers": ["192.0.2.9", "10.96.0.10"],
                    "searches": ["mine", "cluster.local"],
                    "options": [{"name": "ndots", "value": "1"}, {"name": "edns0"}],
                }
            },
            ("10.96.0.10", "192.0.2.9"),
            (*CLUSTER, "mine"),
            ("ndots:1", "edns0"),
        ),
    ],
)
def test_policies(spec: Any, servers: Any, searches: Any, options: Any) -> None:
    found = resolver_for(pod(**spec), node=NODE, cluster_servers=("10.96.0.10",), domain="cluster.local")
    assert found == Resolver(servers=servers, searches=searches, options=options)


@pytest.mark.parametrize(
    ("spec", "hostname", "domain"),
    [
        ({}, "web-0", ""),
        ({"hostname": "h"}, "h", ""),
        ({"subdomain": "s"}, "web-0", "s.ns.svc.cluster.local"),
        ({"subdomain": "s", "setHostnameAsFQDN": True}, "web-0.s.ns.svc.cluster.local", "s.ns.svc.cluster.local"),
        ({"hostname": "x" * 70}, "x" * 63, ""),
    ],
)
def test_host_names(spec: Any, hostname: str, domain: str) -> None:
    assert pod_hostname(pod(**spec), "cluster.local") == (hostname, domain)


def test_the_hosts_file() -> None:
    aliases = [{"ip": "192.0.2.7", "hostnames": ["a", "b"]}]
    text = hosts_text(
        pod(hostAliases=aliases), ips=["10.0.0.5"], hostname="web-0", domain="s.ns.svc.cluster.local", node_hosts=""
    )
    lines = text.splitlines()
    assert lines[0] == "# Kubernetes-managed hosts file."
    assert "10.0.0.5\tweb-0.s.ns.svc.cluster.local\tweb-0" in lines
    assert lines[-2:] == ["# Entries added by HostAliases.", "192.0.2.7\ta\tb"]
    own = hosts_text(pod(hostNetwork=True), ips=["1.2.3.4"], hostname="n", domain="", node_hosts="127.0.0.1 n1\n")
    assert own == "# Kubernetes-managed hosts file (host network).\n127.0.0.1 n1\n"
