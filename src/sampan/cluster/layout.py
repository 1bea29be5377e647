"""Where everything of one machine lies below its data directory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

DEFAULT_DATA_DIR = Path("/var/lib/sampan")


@dataclass(frozen=True)
class Layout:
    """The paths below a data directory; nothing is created by naming it."""

    data_dir: Path

    @property
    def pki(self) -> Path:
        return self.data_dir / "pki"

    @property
    def admin_kubeconfig(self) -> Path:
        return self.data_dir / "admin.kubeconfig"

    @property
    def kubeconfigs(self) -> Path:
        """One kubeconfig for each component."""
        return self.data_dir / "kubeconfig"

    @property
    def store(self) -> Path:
        return self.data_dir / "store.db"

    @property
    def etcd(self) -> Path:
        """The data of etcd members that run here, a folder each."""
        return self.data_dir / "etcd"

    @property
    def containerd(self) -> Path:
        return self.data_dir / "containerd"

    @property
    def cni(self) -> Path:
        return self.data_dir / "cni"

    @property
    def ingress(self) -> Path:
        """What haproxy reads."""
        return self.data_dir / "ingress"

    @property
    def kubelet(self) -> Path:
        return self.data_dir / "kubelet"

    @property
    def pod_logs(self) -> Path:
        return self.data_dir / "pods-log"

    @property
    def bgp(self) -> Path:
        """What BIRD reads and writes."""
        return self.data_dir / "bgp"

    @property
    def wireguard_key(self) -> Path:
        """This node's private key, where pods' packets go encrypted."""
        return self.data_dir / "network" / "wireguard.key"

    @property
    def names(self) -> Path:
        """What the cluster's DNS here last knew."""
        return self.data_dir / "network" / "names"

    @property
    def nodes(self) -> Path:
        """The data directories of further nodes on this machine."""
        return self.data_dir / "nodes"

    @property
    def run(self) -> Path:
        """Process ids and the options of the running cluster."""
        return self.data_dir / "run"

    @property
    def log(self) -> Path:
        return self.data_dir / "log"


def write_private(path: Path, content: bytes) -> None:
    """Writes a file that only its owner may read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
