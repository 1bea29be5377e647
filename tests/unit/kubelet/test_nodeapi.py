"""What the node's server tells: measurements of made-up cgroups, metrics by upstream's names, the configuration."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sampan.api.errors import TooManyRequests
from sampan.api.kinds import core_v1
from sampan.kubelet.cgroup.tree import CgroupTree
from sampan.kubelet.metrics.certificates import left, read
from sampan.kubelet.stats import cgroupfiles, disk, interfaces
from sampan.kubelet.stats.claims import ClaimVolumes
from sampan.kubelet.stats.rates import Rates
from sampan.kubelet.stats.usage import BlockUse, CpuUse
from sampan.testing.clock import VirtualClock, settle
from sampan.volumes.interface import Made

from .harness import Node, node
from .test_server import get

V1 = {
    "cpuacct/p/cpuacct.usage": "5000000000",
    "cpuacct/p/cpuacct.stat": "user 300\nsystem 200",
    "cpu/p/cpu.stat": "nr_periods 7\nnr_throttled 2\nthrottled_time 9",
    "memory/p/memory.usage_in_bytes": "1000",
    "memory/p/memory.stat": "total_inactive_file 300\ntotal_rss 500\ntotal_pgfault 4\ntotal_pgmajfault 1",
    "memory/p/memory.limit_in_bytes": "9223372036854771712",
    "memory/p/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3",
    "pids/p/pids.current": "6",
    "pids/p/pids.max": "max",
    "cpu/p/cpu.shares": "512",
    "cpu/p/cpu.cfs_quota_us": "50000",
    "cpu/p/cpu.cfs_period_us": "100000",
    "blkio/p/blkio.throttle.io_service_bytes": "8:0 Read 4096\n8:0 Write 512\n8:0 Total 4608\nTotal 4608",
    "blkio/p/blkio.throttle.io_serviced": "8:0 Read 2\n8:0 Write 1\nTotal 3",
}
V2 = {
    "cgroup.controllers": "cpu memory pids",
    "p/cpu.stat": "usage_usec 5000000\nuser_usec 3000000\nsystem_usec 2000000\nnr_periods 7\nnr_throttled 2",
    "p/cpu.pressure": "some avg10=1.50 avg60=0.00 avg300=0.00 total=77\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=5",
    "p/memory.current": "1000",
    "p/memory.stat": "inactive_file 300\nanon 500\npgfault 4\npgmajfault 1",
    "p/memory.max": "4096",
    "p/memory.events": "low 0\nmax 8\noom_kill 3",
    "p/pids.current": "6",
    "p/pids.max": "50",
    "p/cpu.max": "50000 100000",
    "p/cpu.weight": "20",
    "p/io.stat": "8:0 rbytes=4096 wbytes=512 rios=2 wios=1 dbytes=0 dios=0",
}


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(("files", "limit", "most"), [(V1, 0, 0), (V2, 4096, 50)], ids=["v1", "v2"])
def test_both_versions_tell_the_same(tmp_path: Path, files: dict[str, str], limit: int, most: int) -> None:
    tree = CgroupTree(written(tmp_path, files))
    cpu, memory = cgroupfiles.cpu(tree, "/p"), cgroupfiles.memory(tree, "/p")
    assert cpu is not None
    assert memory is not None
    assert (cpu.total, cpu.user, cpu.system, cpu.periods) == (5 * 10**9, 3 * 10**9, 2 * 10**9, 7)
    assert (memory.usage, memory.working_set, memory.rss, memory.faults, memory.limit) == (1000, 700, 500, 4, limit)
    assert (cgroupfiles.processes(tree, "/p"), cgroupfiles.most_processes(tree, "/p")) == (6, most)
    assert cgroupfiles.oom_kills(tree, "/p") == 3
    limits = cgroupfiles.cpu_limits(tree, "/p")
    assert (limits.quota, limits.period) == (50_000, 100_000)
    assert 490 < limits.shares < 520
    assert cgroupfiles.blocks(tree, "/p") == {"8:0": BlockUse(read=4096, written=512, reads=2, writes=1)}
    assert cgroupfiles.blocks(tree, "/gone") == {}
    assert (cpu.pressure is not None) == (tree.version == 2)
    assert cgroupfiles.cpu(tree, "/gone") is None
    assert cgroupfiles.memory(tree, "/gone") is None


async def test_rates() -> None:
    clock = VirtualClock()
    rates = Rates(clock)
    assert rates.of("/p", CpuUse(total=1000)) == CpuUse(total=1000)
    await clock.advance(2)
    assert rates.of("/p", CpuUse(total=5000)) == CpuUse(total=5000, rate=2000)
    await clock.advance(0.5)
    assert rates.of("/p", CpuUse(total=9000)) == CpuUse(total=9000, rate=2000), "too soon for another"
    assert rates.of("/p", CpuUse(total=1)) == CpuUse(total=1), "another cgroup of that name"
    await clock.advance(200)
    rates.forget_old()
    assert rates.of("/p", CpuUse(total=9000)).rate is None  # type: ignore[union-attr]


def test_folders_are_counted_once(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "f").write_bytes(b"x" * 100_000)
    (tmp_path / "link").hardlink_to(tmp_path / "a" / "f")
    (tmp_path / "out").symlink_to("/usr")
    used, inodes = disk.folder(tmp_path)
    assert 100_000 <= used < 150_000
    assert inodes == 4
    assert disk.folder(tmp_path / "gone") == (0, 0)


def test_interfaces() -> None:
    text = "h\nh\n lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\neth0: 10 2 3 4 0 0 0 0 50 6 7 8 0 0 0 0\n"
    (found,) = interfaces.interfaces(text)
    assert (found.name, found.received, found.receive_errors, found.sent, found.send_drops) == ("eth0", 10, 3, 50, 8)
    assert interfaces.of_process(0) == ()


async def with_pod(n: Node) -> None:
    """A pod that runs, with cgroups as a kernel would show them."""
    volumes = [{"name": "v", "emptyDir": {}}]
    n.pod(volumes=volumes, containers=[{"name": "c", "livenessProbe": {"tcpSocket": {"port": 1}, "periodSeconds": 1}}])
    await n.advance(5)
    cgroups = n.kubelet.resources.upkeep.cgroups
    for name in (cgroups.name(n.get()), cgroups.container(n.get(), n.container().containerID.partition("://")[2])):
        written(n.config.cgroup_mount, {path.replace("/p/", f"/{name}/"): text for path, text in V1.items()})


@pytest.fixture
def serving(tmp_path: Path) -> Any:
    return node(tmp_path, port=0, bind_address="127.0.0.1")


async def test_the_summary(serving: Any) -> None:
    async with serving as n:
        await with_pod(n)
        found = json.loads((await get(n, "/stats/summary"))[1])
        assert found["node"]["nodeName"] == "n1"
        for part in ("cpu", "memory", "fs", "rlimit", "runtime", "network", "swap", "systemContainers"):
            assert part in found["node"]
        (pod,) = found["pods"]
        assert pod["podRef"] == {"name": "p", "namespace": "default", "uid": "uid-p"}
        assert pod["memory"]["workingSetBytes"] == 700
        assert pod["process_stats"] == {"process_count": 6}
        (container,) = pod["containers"]
        assert container["cpu"]["usageCoreNanoSeconds"] == 5 * 10**9
        assert set(container) >= {"name", "startTime", "cpu", "memory", "rootfs", "logs"}
        light = json.loads((await get(n, "/stats/summary?only_cpu_and_memory=true"))[1])
        assert light["pods"][0]["volume"] == []


async def test_metrics(serving: Any) -> None:
    async with serving as n:
        await with_pod(n)
        resource = (await get(n, "/metrics/resource"))[1]
        assert 'container_memory_working_set_bytes{container="c",namespace="default",pod="p"} 700 ' in resource
        assert "node_cpu_usage_seconds_total " in resource
        own = (await get(n, "/metrics/cadvisor"))[1]
        line = next(line for line in own.splitlines() if line.startswith("container_oom_events_total"))
        assert 'container="c",id="/kubepods/besteffort/poduid-p/c0002",image="' in line
        assert line.endswith('namespace="default",pod="p"} 3')
        assert 'probe_type="Liveness",result="successful"}' in (await get(n, "/metrics/probes"))[1]
        mine = (await get(n, "/metrics"))[1]
        for name in (
            'kubelet_runtime_operations_total{operation_type="run_podsandbox"} 1.0',
            'kubelet_node_name{node="n1"} 1.0',
            'kubelet_active_pods{static="false"} 1.0',
            "kubelet_pod_start_duration_seconds_count 1.0",
            'kubelet_runtime_operations_duration_seconds_bucket{le="0.0125",operation_type="run_podsandbox"} 1.0',
            'rest_client_requests_total{code="200",host="",method="PATCH"}',
            'rest_client_request_duration_seconds_bucket{host="",le="0.005",verb="PATCH"}',
            'storage_operation_duration_seconds_count{migrated="false",operation_name="volume_mount",status="success",'
            'volume_plugin="kubernetes.io/empty-dir"} 1.0',
            "kubelet_pod_status_sync_duration_seconds_count",
            "kubelet_certificate_manager_client_ttl_seconds +Inf",
            'kubelet_http_requests_total{long_running="false",method="GET",path="metrics/cadvisor"',
        ):
            assert name in mine, mine


async def test_metrics_of_what_went_wrong(serving: Any) -> None:
    async with serving as n:
        instruments = n.kubelet.server._instruments
        instruments.evictions.inc("memory.available")
        n.pod(volumes=[{"name": "v", "configMap": {"name": "missing"}}])
        n.api.fail("patch", "pods", TooManyRequests("not now"))
        await n.advance(5)
        mine = (await get(n, "/metrics"))[1]
        assert 'kubelet_evictions{eviction_signal="memory.available"} 1' in mine
        assert "kubelet_evictions_total" not in mine
        assert 'rest_client_requests_total{code="429",host="",method="PATCH"} 1.0' in mine
        assert 'status="fail-unknown",volume_plugin="kubernetes.io/configmap"}' in mine


def test_how_long_a_certificate_is_good_for(tmp_path: Path) -> None:
    assert left(None, 0.0) == left(b"no certificate", 0.0) == float("inf")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "n")])
    begin = datetime.fromtimestamp(1000, UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, begin, begin + timedelta(seconds=60))
    pem = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    assert left(pem, 1000.0) == 60.0
    assert left(pem, 1100.0) == -40.0
    assert read(tmp_path / "missing") is None


DASHBOARDS = """
cadvisor_version_info container_cpu_cfs_periods_total container_cpu_cfs_throttled_periods_total
container_cpu_usage_seconds_total container_fs_limit_bytes container_fs_reads_bytes_total container_fs_reads_total
container_fs_usage_bytes container_fs_writes_bytes_total container_fs_writes_total container_last_seen
container_memory_cache container_memory_failures_total container_memory_rss container_memory_swap
container_memory_usage_bytes container_memory_working_set_bytes container_network_receive_bytes_total
container_network_receive_packets_dropped_total container_network_receive_packets_total
container_network_transmit_bytes_total container_network_transmit_packets_dropped_total
container_network_transmit_packets_total container_oom_events_total container_spec_cpu_period container_spec_cpu_quota
container_spec_cpu_shares container_spec_memory_limit_bytes container_start_time_seconds kubelet_active_pods
kubelet_cgroup_manager_duration_seconds_bucket kubelet_containers_per_pod_count_bucket kubelet_desired_pods
kubelet_http_requests_total kubelet_managed_ephemeral_containers kubelet_mirror_pods kubelet_node_name
kubelet_certificate_manager_client_ttl_seconds kubelet_certificate_manager_server_ttl_seconds
kubelet_pod_status_sync_duration_seconds_bucket rest_client_requests_total rest_client_request_duration_seconds_bucket
storage_operation_duration_seconds_bucket storage_operation_duration_seconds_count
kubelet_pleg_last_seen_seconds kubelet_pleg_relist_duration_seconds_bucket kubelet_pleg_relist_interval_seconds_bucket
kubelet_pod_start_duration_seconds_bucket kubelet_pod_start_sli_duration_seconds_bucket
kubelet_pod_start_total_duration_seconds_bucket kubelet_pod_worker_duration_seconds_bucket
kubelet_run_podsandbox_duration_seconds_bucket kubelet_running_containers kubelet_running_pods
kubelet_runtime_operations_duration_seconds_bucket kubelet_runtime_operations_total kubelet_started_containers_total
kubelet_started_pods_total machine_cpu_cores machine_memory_bytes machine_scrape_error machine_swap_bytes
node_cpu_usage_seconds_total node_memory_working_set_bytes pod_cpu_usage_seconds_total pod_memory_working_set_bytes
process_cpu_seconds_total process_resident_memory_bytes prober_probe_total volume_manager_total_volumes
"""
"""What kubernetes-mixin's dashboards and alerts ask a kubelet for, and their neighbours."""


async def test_the_names_that_dashboards_know(serving: Any) -> None:
    async with serving as n:
        await with_pod(n)
        await n.advance(1000)
        names: set[str] = set()
        for path in ("/metrics", "/metrics/cadvisor", "/metrics/resource", "/metrics/probes"):
            lines = (await get(n, path))[1].splitlines()
            names |= {line.split("{")[0].split(" ")[0] for line in lines if not line.startswith("#")}
            kinds = [line for line in lines if line.startswith("# TYPE")]
            assert len(kinds) == len(set(kinds)), "a family stands in one place"
        assert set(DASHBOARDS.split()) - names == set()
        told = (await get(n, "/metrics/cadvisor"))[1]
        assert 'container_cpu_usage_seconds_total{container="",id="/"' in told, "the node as a whole"


async def test_a_volume_that_does_not_answer_is_asked_once(tmp_path: Path) -> None:
    clock, asked, answers = VirtualClock(), [], asyncio.Event()

    async def aside(work: Any) -> Any:
        asked.append(work)
        await answers.wait()
        return work()

    spec = {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}], "containers": []}
    pod = msgspec.convert({"metadata": {"name": "p"}, "spec": spec}, core_v1.Pod)
    path = tmp_path / "kubernetes.io~nfs" / "pv"
    path.mkdir(parents=True)
    volumes, made = ClaimVolumes(clock, aside), {"v": Made(path)}
    for _ in range(2):
        looking = asyncio.create_task(volumes.of(pod, made))
        await settle()
        await clock.advance(2)
        assert await looking == {}
    assert len(asked) == 1
    answers.set()
    await settle()
    found = await volumes.of(pod, made)
    assert found["v"].capacity > 0
    assert await volumes.of(pod, {"v": Made(tmp_path)}) == {}, "a folder of the node's own"


async def test_other_answers(serving: Any) -> None:
    async with serving as n:
        await with_pod(n)
        (pod,) = json.loads((await get(n, "/runningpods/"))[1])["items"]
        assert pod["metadata"] == {"name": "p", "namespace": "default", "uid": "uid-p"}
        config = json.loads((await get(n, "/configz"))[1])["kubeletconfig"]
        assert config["kind"] == "KubeletConfiguration"
        assert config["evictionHard"]["memory.available"] == "100Mi"
        assert config["authentication"]["anonymous"] == {"enabled": False}


async def test_health_check_by_check(serving: Any) -> None:
    async with serving as n:
        assert (await get(n, "/healthz?verbose"))[1] == "[+]ping ok\n[+]log ok\n[+]syncloop ok\nhealthz check passed\n"
        assert await get(n, "/healthz/syncloop") == (200, "ok")
        assert (await get(n, "/healthz/nonsense"))[0] == 404
        told = (await get(n, "/metrics/slis"))[1]
        assert 'kubernetes_healthcheck{name="ping",type="healthz"} 1\n' in told
        assert 'kubernetes_healthchecks_total{name="syncloop",status="success",type="healthz"} 2\n' in told


async def test_cve_2019_11248_healthz_of_its_own_and_nothing_beside(tmp_path: Path, unused_port: int) -> None:
    async with node(tmp_path, healthz_port=unused_port):
        for path, code in (("/healthz", b"200"), ("/secrets", b"404"), ("/debug/pprof/", b"404")):
            reader, writer = await asyncio.open_connection("127.0.0.1", unused_port)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert (await reader.read()).split()[1] == code
            writer.close()
            await writer.wait_closed()


@pytest.fixture
def unused_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
