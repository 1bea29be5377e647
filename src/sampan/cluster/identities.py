"""What every component needs to be who it is: its certificate and its kubeconfig, made below the data directory."""

from __future__ import annotations

from pathlib import Path

from sampan.aio.clock import Clock
from sampan.client import kubeconfig
from sampan.cluster import certificates
from sampan.cluster.layout import Layout, write_private
from sampan.cluster.options import Options

# Who has a kubeconfig of its own, carrying the certificate of that name.
COMPONENTS = ("controller-manager", "scheduler", "kubelet", "proxy", "dns")


def ensure(options: Options, clock: Clock) -> None:
    """Makes all that is missing; what is there and good stays."""
    layout = options.layout
    hosts = certificates.api_hosts(
        options.service_ip, options.cluster_domain, bind_address=options.bind_address, node_ip=options.node_ip
    )
    certificates.ensure_all(layout, clock, hosts=hosts, node_name=options.node_name, node_ip=options.node_ip)
    for name in COMPONENTS:
        _write(layout, options.server, layout.kubeconfigs / f"{name}.kubeconfig", name)
    _write(layout, options.server, layout.admin_kubeconfig, "admin")


def _write(layout: Layout, server: str, path: Path, certificate: str) -> None:
    text = kubeconfig.render(
        server=server,
        ca=(layout.pki / "ca.crt").read_bytes(),
        cert=(layout.pki / f"{certificate}.crt").read_bytes(),
        key=(layout.pki / f"{certificate}.key").read_bytes(),
        user=certificate,
    )
    if not path.exists() or path.read_text() != text:
        write_private(path, text.encode())
