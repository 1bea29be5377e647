"""The kubelet's settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sampan.kubelet.restarts import CrashBackoff

if TYPE_CHECKING:
    from sampan.kubelet.credentials.configuration import Provider

EVICTION_HARD = {
    "memory.available": "100Mi",
    "nodefs.available": "10%",
    "nodefs.inodesFree": "5%",
    "imagefs.available": "15%",
    "imagefs.inodesFree": "5%",
    "pid.available": "5%",
}
"""Upstream's, and one for process ids, so that the node shows PIDPressure before it can start nothing more."""


@dataclass(frozen=True, kw_only=True)
class KubeletConfig:
    """Times in seconds. `node_ips` are the node's addresses, the main one first; they must not be empty.

    `cgroup_driver` is "cgroupfs" or "systemd", as the runtime's (`Containerd.cgroup_driver`); `cgroup_root` the name
    of the cgroup (or slice) above all pods. `kube_reserved` and `system_reserved` map resources to what pods may not
    have of the node. Eviction thresholds are written as in a KubeletConfiguration.
    """

    node_name: str
    node_ips: Sequence[str]
    root: Path
    log_root: Path = Path("/var/log/pods")
    hostname: str = ""
    node_labels: Mapping[str, str] = field(default_factory=dict)
    node_annotations: Mapping[str, str] = field(default_factory=dict)
    node_taints: Sequence[tuple[str, str, str]] = ()
    cluster_dns: Sequence[str] = ("10.96.0.10",)
    cluster_domain: str = "cluster.local"
    resolv_conf: Path | None = None
    """None takes the one that names real servers: systemd-resolved's own file where it runs, else /etc/resolv.conf."""
    cgroup_driver: str = "cgroupfs"
    cgroup_root: str = "kubepods"
    cgroup_mount: Path = Path("/sys/fs/cgroup")
    max_pods: int = 110
    kube_reserved: Mapping[str, str] = field(default_factory=dict)
    system_reserved: Mapping[str, str] = field(default_factory=dict)
    kube_reserved_cgroup: str = ""
    system_reserved_cgroup: str = ""
    enforce_node_allocatable: Sequence[str] = ("pods",)
    seccomp_default: bool = False
    """Whether containers that name no profile get the runtime's, instead of none."""
    allowed_unsafe_sysctls: Sequence[str] = ()
    """Names, or beginnings of names with `*`, of namespaced sysctls that pods may set besides the safe ones."""
    pod_pids_limit: int = 4096
    """-1 is no limit. Upstream sets none unless told, and one pod can then use up a node's process ids."""
    cpu_cfs_quota: bool = True
    single_process_oom_kill: bool = False
    fail_swap_on: bool = False
    """Whether a kubelet does not start on a machine that swaps. Upstream's does not unless told; pods never swap here,
    unless this says so:"""
    swap_behavior: str = "NoSwap"
    """"LimitedSwap" lets Burstable pods swap, with cgroup v2, each container in proportion to its memory request."""
    eviction_hard: Mapping[str, str] = field(default_factory=lambda: dict(EVICTION_HARD))
    eviction_soft: Mapping[str, str] = field(default_factory=dict)
    eviction_soft_grace: Mapping[str, float] = field(default_factory=dict)
    eviction_minimum_reclaim: Mapping[str, str] = field(default_factory=dict)
    eviction_max_pod_grace: float = 0.0
    eviction_transition: float = 300.0
    eviction_check: float = 10.0
    cpu_manager_policy: str = "none"
    cpu_manager_options: Mapping[str, str] = field(default_factory=dict)
    cpu_manager_reconcile: float = 10.0
    reserved_cpus: str = ""
    """Processors that no pod gets for itself, as "0-1,7"; they replace what is reserved of cpu otherwise."""
    topology_policy: str = "none"
    shutdown_grace: float = 0.0
    shutdown_grace_critical: float = 0.0
    shutdown_grace_by_priority: Sequence[tuple[int, float]] = ()
    """0 and () leave the machine's shutdown alone."""
    shutdown_on_stop: bool = False
    """Whether pods end in the same way when the kubelet is told to stop; else they run on without it."""
    static_pod_path: Path | None = None
    static_pod_url: str = ""
    static_pod_url_headers: Sequence[tuple[str, str]] = ()
    file_check: float = 1.0
    """Upstream looks every 20 seconds, and is told of changes in between; a look costs a listing of the folder."""
    http_check: float = 20.0
    serve_devices: bool = True
    """Whether device plugins may register; off where the root's path is too long for a socket's."""
    kernel_messages: Path = Path("/dev/kmsg")
    provider_id: str = ""
    most_images: int = 50
    """How many images the node's status names; -1 is all."""

    bind_address: str = "0.0.0.0"
    port: int | None = 10250
    """0 takes a free one, None serves nothing."""
    server_cert: Path | None = None
    server_key: Path | None = None
    client_ca: Path | None = None
    debugging_handlers: bool = True
    """Whether logs, exec, attach, port-forward and the like are served (enableDebuggingHandlers)."""
    node_log_handler: bool = True
    node_logs: Path = Path("/var/log")
    """The machine's log folder, shown at /logs/ where `node_log_handler` says so (enableSystemLogHandler)."""
    healthz_port: int | None = None
    """Where /healthz is served without TLS, for whoever watches over the kubelet; 0 and None serve nothing."""
    healthz_address: str = "127.0.0.1"

    lease_seconds: float = 40.0
    lease_renewal: float = 10.0
    status_report: float = 300.0
    status_check: float = 10.0
    unready_check: float = 0.2
    relist: float = 60.0
    relist_without_events: float = 1.0
    housekeeping: float = 60.0
    crash_backoff: CrashBackoff = field(default_factory=CrashBackoff)
    image_backoff_base: float = 10.0
    image_backoff_cap: float = 300.0
    max_parallel_pulls: int = 5
    serialize_pulls: bool = False
    """One pull after the other, upstream's default; one slow registry then holds up all."""
    pull_verification: str = "NeverVerifyPreloadedImages"
    credential_providers: Sequence[Provider] = ()
    """Programs in the folder `credential_programs` that give credentials for images."""
    credential_programs: Path = Path("/")
    preloaded_images: Sequence[str] = ()
    """Repositories (or `path/*`) that "NeverVerifyAllowlistedImages" lets everybody use."""
    image_gc_high_percent: float = 85.0
    image_gc_low_percent: float = 80.0
    image_gc_youngest: float = 120.0
    """An image stays for so long although nobody uses it."""
    image_gc_oldest: float = 0.0
    """An image that nobody has used for so long goes however much room there is; 0 is never."""
    kept_images: str = "sampan.dev/"
    """Images with this prefix are built on the spot and never collected."""
    log_check: float = 10.0
    log_max_bytes: int = 10 << 20
    log_max_files: int = 5
