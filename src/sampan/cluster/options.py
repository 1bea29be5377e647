"""What a cluster on one machine is made with; kept beside its data so that every later start agrees."""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path
from typing import Any

import msgspec

from sampan.cluster.layout import DEFAULT_DATA_DIR, Layout, write_private

NO_ADDRESS = "127.0.0.1"
"""The address of a machine that has no network."""
SYSTEM_CNI = Path("/etc/cni/net.d")


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Defaults are those of the fixed interfaces in ARCHITECTURE.md.

    With more than one of `servers` the store is an etcd of the cluster's own, `server_cidr` the network they are in.
    With more than one of `nodes` all but the first are in network namespaces on this machine, on network `node_cidr`.
    `store` is named as on the command line. `snapshot_seconds` 0: no backups are taken.
    """

    data_dir: str = str(DEFAULT_DATA_DIR)
    bind_address: str = "127.0.0.1"
    port: int = 6443
    node_name: str = ""
    node_ip: str = ""
    service_cidr: str = "10.96.0.0/16"
    cluster_cidr: str = "10.244.0.0/16"
    cluster_domain: str = "cluster.local"
    pod_network: str = "auto"
    bgp_as: str = ""
    """With `pod_network` bgp: this node's autonomous system, "" for the default."""
    no_masquerade: str = ""
    bgp_peers: str = ""
    bgp_password_file: str = ""
    """With `pod_network` bgp: `AS@ADDRESS,...` or "mesh"; "" for the cluster's, or a mesh."""
    container_runtime_endpoint: str = ""
    cni_bin_dir: str = "/usr/lib/cni"
    cni_conf_dir: str = ""
    cgroup_root: str = "kubepods"
    registry_mirrors: str = ""
    """`REGISTRY=URL,...`: what our containerd tries before a registry itself."""
    nodes: int = 1
    node_cidr: str = "172.31.254.0/24"
    kubelet_config: str = ""
    """A KubeletConfiguration for this machine's kubelet."""
    pod_manifest_path: str = ""
    manifest_url: str = ""
    manifest_url_header: tuple[str, ...] = ()
    """Where this machine's static pods are, in place of what `kubelet_config` says; headers are `NAME:VALUE,...`."""
    image_credential_provider_config: str = ""
    """A CredentialProviderConfig file, or a folder of such; its programs are in `image_credential_provider_bin_dir`."""
    image_credential_provider_bin_dir: str = ""
    end_pods_on_stop: bool = False
    servers: int = 1
    server_cidr: str = "172.31.255.0/27"
    store: str = "sqlite"
    etcd_prefix: str = ""
    etcd_cafile: str = ""
    etcd_certfile: str = ""
    etcd_keyfile: str = ""
    etcd_user: str = ""
    encryption_provider_config: str = ""
    enable_admission_plugins: str = ""
    disable_admission_plugins: str = ""
    admission_control_config_file: str = ""
    authentication_config: str = ""
    authorization_config: str = ""
    audit: dict[str, Any] = {}
    """kube-apiserver's flags of the audit log, by their names: `audit_policy_file`, `audit_log_path`, ..."""
    snapshot_seconds: float = 0.0
    snapshot_dir: str = ""
    snapshot_retention: int = 24
    proxy_mode: str = ""
    """The service proxy's packet filter; "" for its configuration's, or nftables."""
    proxy_config: str = ""
    """A KubeProxyConfiguration file; "" for none."""
    proxy_flags: dict[str, Any] = {}
    """Fields of such a file that go before it: kube-proxy's flags."""
    ingress: bool = False
    """Whether this machine answers Ingresses, on `ingress_ports`: for HTTP and for TLS."""
    ingress_ports: str = "80,443"
    api_server: str = ""
    """Where the API server is of the cluster that this machine has joined; "" on a cluster's first machine."""

    @property
    def admission(self) -> tuple[tuple[str, ...], tuple[str, ...], Path | None]:
        """Plugins to enable and to disable besides the defaults, and their configuration."""
        enable, disable = (
            tuple(word.strip() for word in text.split(",") if word.strip())
            for text in (self.enable_admission_plugins, self.disable_admission_plugins)
        )
        file = self.admission_control_config_file
        return enable, disable, Path(file) if file else None

    @property
    def networks(self) -> tuple[tuple[str, str], ...]:
        """(option, range) for pods' and services' addresses, each of one or of both families."""
        named = (("--cluster-cidr", self.cluster_cidr), ("--service-cidr", self.service_cidr))
        return tuple((option, cidr.strip()) for option, cidrs in named for cidr in cidrs.split(","))

    @property
    def foreign_network(self) -> bool:
        """Whether another CNI plugin than ours makes the pods' network."""
        return self.pod_network == "none"

    @property
    def encrypted_network(self) -> bool:
        """Whether nodes need a key each."""
        return self.pod_network == "wireguard"

    @property
    def announced_network(self) -> bool:
        """Whether pods' ranges are told to neighbours by BGP."""
        return self.pod_network == "bgp"

    @property
    def joined(self) -> bool:
        """Whether the cluster's authorities and API server are another machine's."""
        return bool(self.api_server)

    @property
    def layout(self) -> Layout:
        return Layout(Path(self.data_dir))

    @property
    def server(self) -> str:
        if self.joined:
            return self.api_server
        host = self.bind_address if self.bind_address not in ("0.0.0.0", "::") else "127.0.0.1"
        return f"https://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def public_server(self) -> str:
        """The API server's address as other machines reach it."""
        host = f"[{self.node_ip}]" if ":" in self.node_ip else self.node_ip
        return f"https://{host}:{self.port}"

    @property
    def snapshots(self) -> Path:
        """Where scheduled backups are kept."""
        return Path(self.snapshot_dir) if self.snapshot_dir else self.layout.data_dir / "backups"

    @property
    def reachable(self) -> bool:
        """Whether pods reach the API server where it is told to listen; else it listens on the node's address, too."""
        return self.bind_address in ("0.0.0.0", "::", self.node_ip)

    @property
    def service_ip(self) -> str:
        """The `kubernetes` Service's address: the first of the service network."""
        return str(next(self._services[0].hosts()))

    @property
    def dns_ips(self) -> tuple[str, ...]:
        """The cluster's DNS: the tenth address of each service network, the default family's first."""
        return tuple(str(network[10]) for network in self._services)

    @property
    def _services(self) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
        """The service networks; the first one's family is the default one."""
        return [ipaddress.ip_network(text.strip()) for text in self.service_cidr.split(",")]

    @property
    def runtime_socket(self) -> str:
        """Where CRI is spoken: our own containerd unless another runtime was named."""
        given = self.container_runtime_endpoint.removeprefix("unix://")
        return given or str(self.layout.containerd / "containerd.sock")

    @property
    def cni_configuration(self) -> Path:
        """Where the runtime reads CNI configuration: ours below the data directory, others in /etc unless told."""
        if self.cni_conf_dir:
            return Path(self.cni_conf_dir)
        return SYSTEM_CNI if self.container_runtime_endpoint else self.layout.cni / "net.d"


def completed(options: Options) -> Options:
    """With the machine's name and address where none was given."""
    return msgspec.structs.replace(
        options,
        data_dir=str(Path(options.data_dir).absolute()),
        node_name=options.node_name or socket.gethostname().lower(),
        node_ip=options.node_ip or machine_address(),
    )


def machine_address() -> str:
    """The address that this machine would send from; the loopback's when it has no network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return NO_ADDRESS
        return str(probe.getsockname()[0])


def save(options: Options) -> None:
    write_private(_file(options.layout), msgspec.json.format(msgspec.json.encode(options)))


def load(layout: Layout) -> Options | None:
    """The options of the cluster whose data lies there; None when there is none."""
    try:
        return msgspec.json.decode(_file(layout).read_bytes(), type=Options)
    except FileNotFoundError:
        return None


def _file(layout: Layout) -> Path:
    return layout.data_dir / "cluster.json"
