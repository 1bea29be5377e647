"""What is refused before a cluster is started, and what the refusal says to do."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sampan.cli.settings import addressed
from sampan.cluster import options as stored
from sampan.cluster import preflight
from sampan.cluster.errors import ClusterError
from sampan.cluster.options import Options
from sampan.cluster.teardown import remove_cgroups, remove_files, stop_slice
from sampan.kubelet.systembus import BusError, SystemBus


@pytest.fixture
def options(tmp_path: Path) -> Options:
    return Options(data_dir=str(tmp_path), node_name="n", node_ip="192.0.2.2")


def test_missing_packages_are_named(options: Options, tmp_path: Path) -> None:
    lacking = msgspec.structs.replace(options, cni_bin_dir=str(tmp_path))
    with pytest.raises(ClusterError, match=r"apt-get install .*containernetworking-plugins"):
        preflight.check_programs(lacking, search_path=str(tmp_path))


def test_a_busy_port_is_named() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(ClusterError, match=f"port {port} on 127.0.0.1.*--port"):
            preflight.check_port("127.0.0.1", port, "the API server", "--port")


def test_a_clusters_networks_cannot_be_changed(options: Options) -> None:
    preflight.check_options(options)
    stored.save(options)
    preflight.check_options(msgspec.structs.replace(options, port=7443))
    with pytest.raises(ClusterError, match=r"was made with --service-cidr 10\.96\.0\.0/16"):
        preflight.check_options(msgspec.structs.replace(options, service_cidr="10.97.0.0/16"))


def test_options_are_kept_and_completed(options: Options) -> None:
    stored.save(options)
    assert stored.load(options.layout) == options
    completed = stored.completed(Options(data_dir="relative"))
    assert completed.node_name and completed.node_ip and Path(completed.data_dir).is_absolute()


def test_networks_that_are_not_hidden_from() -> None:
    preflight.check_ways(Options(no_masquerade="10.0.0.0/8,2001:db8::/32"))
    with pytest.raises(ClusterError, match=r"--no-masquerade: .*10\.0\.0\.0\.0.*: write CIDR"):
        preflight.check_ways(Options(no_masquerade="10.0.0.0.0/8"))


@pytest.mark.parametrize("peers", ["65000@192.0.2.9", "mesh,65000@192.0.2.9"])
def test_ranges_that_no_router_would_be_told_of(peers: str) -> None:
    both = Options(pod_network="bgp", node_ip="192.0.2.1", cluster_cidr="10.244.0.0/16,fd00:10::/48", bgp_peers=peers)
    with pytest.raises(ClusterError, match=r"nobody is told of the pods' IPv6 ranges, of --cluster-cidr fd00:10::/48"):
        preflight.check_bgp(both)
    preflight.check_bgp(msgspec.structs.replace(both, cluster_cidr="10.244.0.0/16"))
    preflight.check_bgp(msgspec.structs.replace(both, bgp_peers="65000@192.0.2.9,65000@2001:db8::9"))
    preflight.check_bgp(msgspec.structs.replace(both, bgp_peers=""))


def test_addresses_that_follow_from_the_networks() -> None:
    made = Options(service_cidr="10.97.0.0/16", bind_address="0.0.0.0", port=7443)
    assert (made.service_ip, made.dns_ips, made.server) == ("10.97.0.1", ("10.97.0.10",), "https://127.0.0.1:7443")
    assert made.reachable and not Options(node_ip="192.0.2.2").reachable


def test_keep_data_keeps_store_and_certificates(options: Options) -> None:
    layout = options.layout
    for name in ("store.db", "store.db-wal", "cluster.json", "admin.kubeconfig", "log/x", "pki/ca.crt"):
        path = layout.data_dir / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    remove_files(layout, keep_data=True)
    assert sorted(p.name for p in layout.data_dir.iterdir()) == ["cluster.json", "pki", "store.db", "store.db-wal"]
    remove_files(layout, keep_data=False)
    assert not layout.data_dir.exists()


def test_empty_control_groups_are_removed_and_used_ones_stay(tmp_path: Path) -> None:
    (tmp_path / "cpu/kubepods/burstable/pod1").mkdir(parents=True)
    (tmp_path / "kubepods.slice/a.scope").mkdir(parents=True)
    (tmp_path / "memory/kubepods/pod2").mkdir(parents=True)
    (tmp_path / "memory/kubepods/pod2/held").write_text("")
    (tmp_path / "cpu/kubepods2/pod3").mkdir(parents=True)
    remove_cgroups("kubepods", tmp_path)
    assert not (tmp_path / "cpu/kubepods").exists() and not (tmp_path / "kubepods.slice").exists()
    assert (tmp_path / "memory/kubepods/pod2").exists()
    assert (tmp_path / "cpu/kubepods2/pod3").exists(), "another node's"


class Recording(SystemBus):
    """Takes every call, or none where `refuses`."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.refuses = refuses
        self.asked: list[Any] = []

    async def call(self, destination: str, path: str, interface: str, member: str, signature: str, *body: Any) -> Any:
        self.asked.append((member, *body))
        if self.refuses:
            raise BusError("org.freedesktop.systemd1.NoSuchUnit", "Unit kubepods.slice not loaded.")

    async def close(self) -> None:
        self.asked.append("closed")


@pytest.mark.parametrize("refuses", [False, True])
async def test_the_slice_of_all_pods_is_ended_if_there_is_one(refuses: bool) -> None:
    bus = Recording(refuses=refuses)
    await stop_slice("kubepods", bus)
    assert bus.asked == [("StopUnit", "kubepods.slice", "replace"), "closed"]


def test_files_of_identity_that_the_api_server_would_end_with(options: Options, tmp_path: Path) -> None:
    head = "apiVersion: apiserver.config.k8s.io/v1"
    who, what = tmp_path / "who.yaml", tmp_path / "what.yaml"
    who.write_text(f"{head}\nkind: AuthenticationConfiguration\njwt: [{{issuer: {{url: http://x}}}}]")
    what.write_text(f"{head}\nkind: AuthorizationConfiguration\nauthorizers: [{{type: RBAC, name: rbac}}]")
    for wrong, words in (
        ({"authentication_config": str(who)}, "jwt[0].issuer.url: Invalid value"),
        ({"authorization_config": str(what)}, "need the authorizers Node and RBAC"),
        ({"authorization_config": str(tmp_path / "none")}, "No such file"),
    ):
        with pytest.raises(ClusterError) as caught:
            preflight.check_identity(msgspec.structs.replace(options, **wrong))
        assert words in str(caught.value)
    what.write_text(what.read_text()[:-1] + ", {type: Node, name: node}]")
    preflight.check_identity(msgspec.structs.replace(options, authorization_config=str(what)))


def test_an_audit_log_that_would_hold_nothing(options: Options, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("{apiVersion: audit.k8s.io/v1, kind: Policy, rules: [{level: Metadata}]}")
    named = msgspec.structs.replace(
        options, audit={"audit_policy_file": str(file), "audit_log_path": str(tmp_path / "audit.log")}
    )
    preflight.check_audit(named)
    with pytest.raises(ClusterError, match="goes together with --audit-log-path or --audit-webhook"):
        preflight.check_audit(msgspec.structs.replace(named, audit={"audit_policy_file": str(file)}))
    file.write_text("{apiVersion: audit.k8s.io/v1, kind: Policy, rules: []}")
    with pytest.raises(ClusterError, match="rules: Required value"):
        preflight.check_audit(named)


def test_admission_that_the_api_server_would_end_with(options: Options, tmp_path: Path) -> None:
    preflight.check_admission(msgspec.structs.replace(options, enable_admission_plugins="AlwaysPullImages"))
    file = tmp_path / "admission.yaml"
    file.write_text("{apiVersion: apiserver.config.k8s.io/v1, kind: AdmissionConfiguration, plugins: [{name: Nope}]}")
    for wrong, words in (
        ({"enable_admission_plugins": "EventRateLimit"}, "EventRateLimit: limits: must not be empty"),
        ({"disable_admission_plugins": "Priority, Nope"}, 'unknown admission plugin "Nope": known are'),
        ({"admission_control_config_file": str(file)}, 'unknown admission plugin "Nope"'),
    ):
        with pytest.raises(ClusterError) as caught:
            preflight.check_admission(msgspec.structs.replace(options, **wrong))
        assert words in str(caught.value)


@pytest.mark.parametrize(
    "given, complaint",
    [
        ({"nodes": 0}, "--nodes 0: choose 1 to 100"),
        ({"nodes": 101}, "--nodes 101: choose 1 to 100"),
        ({"nodes": 3, "node_cidr": "10.0.0.0/30"}, "no room for 3 nodes"),
        ({"nodes": 3, "node_cidr": "10.244.1.0/24"}, "--node-cidr 10.244.1.0/24 and --cluster-cidr overlap"),
        ({"nodes": 3, "node_cidr": "everywhere"}, "--node-cidr everywhere"),
    ],
)
def test_numbers_of_nodes_that_cannot_be(options: Options, given: dict[str, object], complaint: str) -> None:
    preflight.check_nodes(msgspec.structs.replace(options, nodes=3), running=False)
    with pytest.raises(ClusterError, match=complaint):
        preflight.check_nodes(msgspec.structs.replace(options, **given), running=False)


def test_further_nodes_for_a_running_machine_without_a_network(options: Options) -> None:
    stored.save(msgspec.structs.replace(options, node_ip=stored.NO_ADDRESS))
    wanted = addressed(msgspec.structs.replace(options, node_ip=stored.NO_ADDRESS, nodes=2))
    assert wanted.node_ip == "172.31.254.1"
    preflight.check_nodes(wanted, running=False)
    with pytest.raises(ClusterError, match="further nodes cannot reach"):
        preflight.check_nodes(wanted, running=True)


@pytest.mark.parametrize(
    "given, complaint",
    [
        ({"cluster_cidr": "10.96.0.0/12"}, "--service-cidr 10.96.0.0/16 and --cluster-cidr 10.96.0.0/12 overlap"),
        ({"cluster_cidr": "192.0.2.0/24"}, "this machine's own address, 192.0.2.2, lies in --cluster-cidr"),
        ({"cluster_cidr": "10.244.0.0/16,10.245.0.0/16"}, "one network of each address family"),
        ({"service_cidr": "somewhere"}, "--service-cidr somewhere"),
        ({"cluster_cidr": "10.244.0.1/16"}, "host bits set"),
        ({"service_cidr": "10.96.0.0/16,fd00:96::/112"}, "no pod could answer at a Service's IPv6 address"),
        ({"service_cidr": "10.0.0.0/11"}, "the mask must be >= 12"),
    ],
)
def test_networks_that_clash(options: Options, given: dict[str, object], complaint: str) -> None:
    both = msgspec.structs.replace(options, cluster_cidr="10.244.0.0/16,fd00::/48")
    preflight.check_networks(both)
    preflight.check_networks(msgspec.structs.replace(both, service_cidr="10.96.0.0/16, fd00:96::/112"))
    with pytest.raises(ClusterError, match=complaint):
        preflight.check_networks(msgspec.structs.replace(options, **given))


def test_networks_that_this_machine_is_in(options: Options) -> None:
    near = msgspec.structs.replace(options, cluster_cidr="127.0.0.0/10")
    with pytest.raises(ClusterError, match=r"127.0.0.0/10 overlaps 127.0.0.0/8.*interface lo.*choose another"):
        preflight.check_neighbourhood(near)
    preflight.check_neighbourhood(msgspec.structs.replace(options, cluster_cidr="203.0.113.0/24"))


def test_a_kernel_without_wireguard(options: Options, tmp_path: Path) -> None:
    wanted = msgspec.structs.replace(options, pod_network="wireguard")
    preflight.check_encryption(options, tmp_path / "none")
    preflight.check_encryption(wanted, tmp_path)
    with pytest.raises(ClusterError, match="this kernel has no WireGuard"):
        preflight.check_encryption(wanted, tmp_path / "none")


def test_an_address_that_is_no_longer_this_machines(options: Options) -> None:
    preflight.check_address(msgspec.structs.replace(options, node_ip="127.0.0.1"))
    preflight.check_address(msgspec.structs.replace(options, node_ip="172.31.254.1"))
    for gone in ("203.0.113.77", "2001:db8::1"):
        with pytest.raises(ClusterError, match=f"does not have the address {gone}.*--node-ip"):
            preflight.check_address(msgspec.structs.replace(options, node_ip=gone))
