"""The machine restarts: pods are given their time by logind, and `scripts/up` has all of it running again."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

import pytest

from ..cluster.harness import until
from ..cluster.manifests import deployment, script, service
from ..patience import FACTOR
from .machine import REBOOTED, Debian, output

SETTINGS = Path("/etc/sampan-kubelet.yaml")
WORDS = Path("/var/lib/sampan-last-words")
LAST = {
    "terminationGracePeriodSeconds": 60,
    "volumes": [{"name": "words", "hostPath": {"path": str(WORDS), "type": "DirectoryOrCreate"}}],
    "container": {"volumeMounts": [{"name": "words", "mountPath": "/words"}]},
}


def test_a_reboot(debian: Debian, request: pytest.FixtureRequest) -> None:
    """Called a second time when the machine has restarted."""
    if not REBOOTED.exists():
        before(debian)
        REBOOTED.write_text(str(request.session.testsfailed))
        subprocess.run(["systemctl", "reboot"], check=True)
        threading.Event().wait()
    assert (WORDS / "ended").exists(), "the pod had its time"
    debian.up()
    ended = until(lambda: debian.get("pod", "last")["status"].get("reason"), "the pod has ended")
    assert ended == "Terminated"
    debian.ready_pods("app=web", 2)
    debian.answers(f"http://{debian.cluster_ip('web')}/")


def before(debian: Debian) -> None:
    kind = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
    SETTINGS.write_text(f"{kind}shutdownGracePeriod: {30 * FACTOR:.0f}s\n")
    debian.up("--no-sample", "--kubelet-config", str(SETTINGS))
    trap = "trap 'sleep 2; touch /words/ended; exit 0' TERM; while :; do sleep 1; done"
    debian.apply(deployment("web", replicas=2), service("web"), script("last", trap, **LAST))
    debian.ready_pods("app=web", 2)
    debian.kubectl("wait", "--for=condition=Ready", "pod/last", f"--timeout={170 * FACTOR:.0f}s")
    until(lambda: "sampan kubelet" in output("systemd-inhibit", "--list"), "the kubelet holds up shutdowns")
