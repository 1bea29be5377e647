"""Every field of a KubeletConfiguration, and what this kubelet does with it.

`HONOURED` fields have their upstream meaning. `FIXED` ones have one value here; another is refused, with the reason.
`WITHOUT_EFFECT` ones are taken and a warning says so. What stands in none of them is refused as unknown.
Source: kubernetes.io, "Kubelet Configuration (v1beta1)".
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sampan.kubelet.configuration import forms
from sampan.kubelet.configuration.forms import Form
from sampan.kubelet.configuration.lists import BACKOFF, HEADERS, PRIORITIES, TAINTS


class Field(NamedTuple):
    """The attribute of `KubeletConfig` that a field sets."""

    attribute: str
    form: Form


class Fixed(NamedTuple):
    value: Any
    why: str


TOPOLOGY = forms.choice("none", "best-effort", "restricted", "single-numa-node")
VERIFICATION = forms.choice("NeverVerify", "NeverVerifyPreloadedImages", "NeverVerifyAllowlistedImages", "AlwaysVerify")
HONOURED: dict[str, Field] = {
    "address": Field("bind_address", forms.TEXT),
    "port": Field("port", forms.PORT),
    "healthzPort": Field("healthz_port", forms.PORT),
    "healthzBindAddress": Field("healthz_address", forms.TEXT),
    "tlsCertFile": Field("server_cert", forms.PATH),
    "tlsPrivateKeyFile": Field("server_key", forms.PATH),
    "authentication.x509.clientCAFile": Field("client_ca", forms.PATH),
    "staticPodPath": Field("static_pod_path", forms.PATH),
    "staticPodURL": Field("static_pod_url", forms.TEXT),
    "staticPodURLHeader": Field("static_pod_url_headers", HEADERS),
    "fileCheckFrequency": Field("file_check", forms.TIME),
    "httpCheckFrequency": Field("http_check", forms.TIME),
    "podLogsDir": Field("log_root", forms.PATH),
    "resolvConf": Field("resolv_conf", forms.PATH),
    "clusterDomain": Field("cluster_domain", forms.TEXT),
    "clusterDNS": Field("cluster_dns", forms.LIST),
    "registerWithTaints": Field("node_taints", TAINTS),
    "maxPods": Field("max_pods", forms.between(1, 100_000)),
    "podPidsLimit": Field("pod_pids_limit", forms.INTEGER),
    "cpuCFSQuota": Field("cpu_cfs_quota", forms.SWITCH),
    "singleProcessOOMKill": Field("single_process_oom_kill", forms.SWITCH),
    "failSwapOn": Field("fail_swap_on", forms.SWITCH),
    "memorySwap.swapBehavior": Field("swap_behavior", forms.choice("NoSwap", "LimitedSwap")),
    "cgroupDriver": Field("cgroup_driver", forms.choice("cgroupfs", "systemd")),
    "kubeReserved": Field("kube_reserved", forms.AMOUNTS),
    "systemReserved": Field("system_reserved", forms.AMOUNTS),
    "kubeReservedCgroup": Field("kube_reserved_cgroup", forms.TEXT),
    "systemReservedCgroup": Field("system_reserved_cgroup", forms.TEXT),
    "reservedSystemCPUs": Field("reserved_cpus", forms.TEXT),
    "enforceNodeAllocatable": Field("enforce_node_allocatable", forms.LIST),
    "evictionHard": Field("eviction_hard", forms.EVICTION),
    "evictionSoft": Field("eviction_soft", forms.EVICTION),
    "evictionSoftGracePeriod": Field("eviction_soft_grace", forms.TIMES),
    "evictionMinimumReclaim": Field("eviction_minimum_reclaim", forms.EVICTION),
    "evictionMaxPodGracePeriod": Field("eviction_max_pod_grace", forms.INTEGER),
    "evictionPressureTransitionPeriod": Field("eviction_transition", forms.TIME),
    "cpuManagerPolicy": Field("cpu_manager_policy", forms.choice("none", "static")),
    "cpuManagerPolicyOptions": Field("cpu_manager_options", forms.MAP),
    "cpuManagerReconcilePeriod": Field("cpu_manager_reconcile", forms.TIME),
    "topologyManagerPolicy": Field("topology_policy", TOPOLOGY),
    "shutdownGracePeriod": Field("shutdown_grace", forms.TIME),
    "shutdownGracePeriodCriticalPods": Field("shutdown_grace_critical", forms.TIME),
    "shutdownGracePeriodByPodPriority": Field("shutdown_grace_by_priority", PRIORITIES),
    "imageGCHighThresholdPercent": Field("image_gc_high_percent", forms.PERCENT),
    "imageGCLowThresholdPercent": Field("image_gc_low_percent", forms.PERCENT),
    "imageMinimumGCAge": Field("image_gc_youngest", forms.TIME),
    "imageMaximumGCAge": Field("image_gc_oldest", forms.TIME),
    "serializeImagePulls": Field("serialize_pulls", forms.SWITCH),
    "imagePullCredentialsVerificationPolicy": Field("pull_verification", VERIFICATION),
    "preloadedImagesVerificationAllowlist": Field("preloaded_images", forms.LIST),
    "allowedUnsafeSysctls": Field("allowed_unsafe_sysctls", forms.LIST),
    "seccompDefault": Field("seccomp_default", forms.SWITCH),
    "crashLoopBackOff.maxContainerRestartPeriod": Field("crash_backoff", BACKOFF),
    "maxParallelImagePulls": Field("max_parallel_pulls", forms.between(1, 1000)),
    "containerLogMaxSize": Field("log_max_bytes", forms.SIZE),
    "containerLogMaxFiles": Field("log_max_files", forms.between(2, 1000)),
    "containerLogMonitorInterval": Field("log_check", forms.TIME),
    "nodeLeaseDurationSeconds": Field("lease_seconds", forms.between(1, 3600)),
    "nodeStatusUpdateFrequency": Field("status_check", forms.TIME),
    "nodeStatusReportFrequency": Field("status_report", forms.TIME),
    "nodeStatusMaxImages": Field("most_images", forms.between(-1, 10_000)),
    "enableDebuggingHandlers": Field("debugging_handlers", forms.SWITCH),
    "enableSystemLogHandler": Field("node_log_handler", forms.SWITCH),
    "providerID": Field("provider_id", forms.TEXT),
}

OPEN = "the node's server answers nobody without asking the API server whether they may"
FIXED: dict[str, Fixed] = {
    "kind": Fixed("KubeletConfiguration", "this is no other document"),
    "apiVersion": Fixed("kubelet.config.k8s.io/v1beta1", "this is the version there is"),
    "enableServer": Fixed(True, "logs and exec go through the node's server"),
    "readOnlyPort": Fixed(0, OPEN),
    "authentication.anonymous.enabled": Fixed(False, OPEN),
    "authentication.webhook.enabled": Fixed(True, OPEN),
    "authorization.mode": Fixed("Webhook", OPEN),
    "cgroupsPerQOS": Fixed(True, "pods' limits are held by the cgroups of their classes"),
    "memoryManagerPolicy": Fixed("None", "there is no memory manager"),
    "topologyManagerScope": Fixed("container", "hints are merged for each container"),
    "registerNode": Fixed(True, "a node that the API does not know gets no pods"),
    "runOnce": Fixed(False, "the kubelet runs until it is stopped"),
    "localStorageCapacityIsolation": Fixed(True, "limits on local storage hold"),
    "enableControllerAttachDetach": Fixed(True, "the controller attaches volumes"),
}

WITHOUT_EFFECT: frozenset[str] = frozenset(
    {
        "syncFrequency",
        "tlsCipherSuites",
        "tlsMinVersion",
        "rotateCertificates",
        "serverTLSBootstrap",
        "authentication.webhook.cacheTTL",
        "authorization.webhook.cacheAuthorizedTTL",
        "authorization.webhook.cacheUnauthorizedTTL",
        "registryPullQPS",
        "registryBurst",
        "eventRecordQPS",
        "eventBurst",
        "enableContentionProfiling",
        "enableProfilingHandler",
        "enableDebugFlagsHandler",
        "enableSystemLogQuery",
        "showHiddenMetricsForVersion",
        "oomScoreAdj",
        "streamingConnectionIdleTimeout",
        "volumeStatsAggPeriod",
        "kubeletCgroups",
        "systemCgroups",
        "cgroupRoot",
        "qosReserved",
        "runtimeRequestTimeout",
        "hairpinMode",
        "podCIDR",
        "cpuCFSQuotaPeriod",
        "maxOpenFiles",
        "contentType",
        "kubeAPIQPS",
        "kubeAPIBurst",
        "podsPerCore",
        "protectKernelDefaults",
        "makeIPTablesUtilChains",
        "iptablesMasqueradeBit",
        "iptablesDropBit",
        "featureGates",
        "failCgroupV1",
        "containerLogMaxWorkers",
        "configMapAndSecretChangeDetectionStrategy",
        "volumePluginDir",
        "kernelMemcgNotification",
        "logging",
        "reservedMemory",
        "memoryThrottlingFactor",
        "topologyManagerPolicyOptions",
        "tracing",
        "containerRuntimeEndpoint",
        "imageServiceEndpoint",
        "mergeDefaultEvictionSettings",
        "userNamespaces",
    }
)
