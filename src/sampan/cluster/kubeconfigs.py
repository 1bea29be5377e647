"""The kubeconfig of each component: its certificate, and the authorities it believes."""

from __future__ import annotations

from pathlib import Path

from sampan.client import kubeconfig
from sampan.cluster.layout import Layout, write_private


def of_component(layout: Layout, name: str) -> Path:
    return layout.kubeconfigs / f"{name}.kubeconfig"


def keep(layout: Layout, server: str, certificate: str, path: Path) -> None:
    """Makes it, or puts the certificate of that name into the one that is there; what its user added stays."""
    text = kubeconfig.render(
        server=server,
        ca=(layout.pki / "ca.crt").read_bytes(),
        cert=(layout.pki / f"{certificate}.crt").read_bytes(),
        key=(layout.pki / f"{certificate}.key").read_bytes(),
        user=certificate,
    )
    kept = path.read_text() if path.exists() else ""
    wanted = kubeconfig.renewed(kept, text) if kept else text
    if wanted != kept:
        write_private(path, wanted.encode())
