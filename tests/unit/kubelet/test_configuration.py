"""KubeletConfiguration files: what is honoured, what is refused and why, and that what is shown can be read again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.configuration.forms import read_duration, show_duration
from sampan.kubelet.configuration.load import BadConfiguration, applied, load, shown

DEFAULTS = KubeletConfig(node_name="n", node_ips=("192.0.2.1",), root=Path("/r"))
HEAD = {"kind": "KubeletConfiguration", "apiVersion": "kubelet.config.k8s.io/v1beta1"}


def test_what_is_honoured() -> None:
    found, warnings = applied(
        {
            **HEAD,
            "maxPods": 250,
            "evictionHard": {"memory.available": "5%"},
            "evictionSoft": {"nodefs.available": "20%"},
            "evictionSoftGracePeriod": {"nodefs.available": "1m30s"},
            "kubeReserved": {"cpu": "500m", "memory": "1Gi"},
            "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": "/ca.crt"}},
            "shutdownGracePeriod": "30s",
            "shutdownGracePeriodCriticalPods": "10s",
            "containerLogMaxSize": "20Mi",
            "registerWithTaints": [{"key": "a", "effect": "NoSchedule"}],
            "crashLoopBackOff": {"maxContainerRestartPeriod": "5s"},
            "staticPodURLHeader": {"Authorization": ["Bearer secret"]},
            "syncFrequency": "1m",
            "logging": {"format": "json"},
            "featureGates": {"X": True},
        },
        DEFAULTS,
    )
    assert (found.max_pods, found.eviction_hard) == (250, {"memory.available": "5%"})
    assert found.eviction_soft_grace == {"nodefs.available": 90.0}
    assert (found.client_ca, found.shutdown_grace, found.log_max_bytes) == (Path("/ca.crt"), 30.0, 20 << 20)
    assert (found.crash_backoff.base, found.crash_backoff.cap) == (5.0, 5.0)
    assert found.node_taints == (("a", "", "NoSchedule"),)
    assert found.static_pod_url_headers == (("Authorization", "Bearer secret"),)
    assert shown(found)["staticPodURLHeader"] == {"Authorization": ["<masked>"]}
    assert warnings == [
        "syncFrequency has no effect here",
        "logging has no effect here",
        "featureGates has no effect here",
    ]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"maxPod": 1}, "maxPod is unknown"),
        ({"maxPods": "many"}, "maxPods must be a whole number"),
        ({"maxPods": 0}, "maxPods must be from 1 to 100000"),
        ({"readOnlyPort": 10255}, "readOnlyPort can only be 0: the node's server answers nobody"),
        ({"authentication": {"anonymous": {"enabled": True}}}, "authentication.anonymous.enabled can only be False"),
        ({"memorySwap": {"swapBehavior": "Swap"}}, "must be one of NoSwap, LimitedSwap"),
        ({"evictionHard": {"disk": "1%"}}, "unknown eviction signal disk"),
        ({"evictionSoft": {"memory.available": "1Gi"}}, "evictionSoftGracePeriod has no time"),
        ({"kubeReserved": {"cpu": "lots"}}, "kubeReserved has no quantity for cpu: 'lots'"),
        ({"kubeReserved": {"cpu": "-1"}}, "kubeReserved has less than nothing for cpu"),
        ({"fileCheckFrequency": 20}, "fileCheckFrequency must be a duration"),
        ({"cpuManagerPolicy": "dynamic"}, "cpuManagerPolicy must be one of none, static"),
        ({"imageGCLowThresholdPercent": 90}, "must be below imageGCHighThresholdPercent"),
        ({"shutdownGracePeriodCriticalPods": "1s"}, "is longer than it"),
        ({"enforceNodeAllocatable": ["kube-reserved"]}, "kubeReservedCgroup must name the cgroup"),
        ({"enforceNodeAllocatable": ["all"]}, "enforceNodeAllocatable knows no all"),
        ({"staticPodURLHeader": {"X": ["a\r\nY: b"]}}, "staticPodURLHeader must have names and values"),
        ({"registerWithTaints": [{"key": "a"}]}, "registerWithTaints must have a key"),
        ({"crashLoopBackOff": {"maxContainerRestartPeriod": "1h"}}, "must be from 1s to 300s"),
        ({"clusterDNS": "10.0.0.1"}, "clusterDNS must be a list"),
        ({"shutdownGracePeriodByPodPriority": [{"priority": "x"}]}, "must be a whole number"),
    ],
)
def test_what_is_refused(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(BadConfiguration, match=problem):
        applied({**HEAD, **given}, DEFAULTS)


def test_all_mistakes_at_once() -> None:
    with pytest.raises(BadConfiguration, match="a is unknown; port must be a whole number"):
        applied({**HEAD, "a": 1, "port": "x"}, DEFAULTS)


@pytest.mark.parametrize(
    ("text", "problem"),
    [("{", "is no YAML"), ("kind: Pod", "is no KubeletConfiguration"), ("[]", "is no KubeletConfiguration")],
)
def test_files_that_will_not_do(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "kubelet.yaml"
    path.write_text(text)
    with pytest.raises(BadConfiguration, match=problem):
        load(path, DEFAULTS)
    with pytest.raises(BadConfiguration, match="cannot be read"):
        load(tmp_path / "none", DEFAULTS)


def test_a_machine_that_swaps_is_refused_where_that_is_asked_for(tmp_path: Path) -> None:
    swaps, path = tmp_path / "swaps", tmp_path / "kubelet.yaml"
    swaps.write_text("Filename Type Size Used Priority\n")
    path.write_text(json.dumps({**HEAD, "failSwapOn": True}))
    assert load(path, DEFAULTS, swaps=swaps)[0].fail_swap_on
    with swaps.open("a") as file:
        file.write("/dev/sda2 partition 1000 0 -2\n")
    with pytest.raises(BadConfiguration, match="running with swap on is not supported"):
        load(path, DEFAULTS, swaps=swaps)
    path.write_text(json.dumps(HEAD))
    assert not load(path, DEFAULTS, swaps=swaps)[0].fail_swap_on


def test_what_is_shown_can_be_read_again() -> None:
    document = {name: value for name, value in shown(DEFAULTS).items() if value != ""}
    assert applied(document, DEFAULTS)[0] == applied(document, applied(document, DEFAULTS)[0])[0]


@pytest.mark.parametrize(("text", "seconds"), [("0s", 0), ("500ms", 0.5), ("1m30s", 90), ("1h0m0s", 3600), ("10s", 10)])
def test_durations(text: str, seconds: float) -> None:
    assert read_duration(text) == seconds
    assert show_duration(seconds) == text
