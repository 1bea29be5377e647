"""The machine restarts: pods are given their time by logind, and `scripts/up` has all of it running again."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from ..cluster.harness import is_ready, until
from ..cluster.manifests import deployment, script, service
from ..patience import FACTOR
from .machine import REBOOTED, Debian, output

SETTINGS = Path("/etc/sampan-kubelet.yaml")
WORDS = Path("/var/lib/sampan-last-words")
ENDING = {
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
    assert moment("ordinary-ended") <= moment("critical-told"), "critical pods are told when the others have ended"
    assert moment("critical-told") < moment("critical-ended"), "each had its time"
    debian.up()
    for name in ("ordinary", "critical"):
        ended = until(lambda name=name: debian.get("pod", name)["status"].get("reason"), "the pod has ended")
        assert ended == "Terminated"
    # Those from before have failed, and stay to be looked at.
    until(lambda: sum(map(is_ready, debian.pods("app=web"))) == 2, "both pods of the Deployment are made anew")
    debian.answers(f"http://{debian.cluster_ip('web')}/")


def before(debian: Debian) -> None:
    kind = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
    periods = {"shutdownGracePeriod": 30, "shutdownGracePeriodCriticalPods": 10}
    SETTINGS.write_text(kind + "".join(f"{name}: {seconds * FACTOR:.0f}s\n" for name, seconds in periods.items()))
    debian.up("--no-sample", "--kubelet-config", str(SETTINGS))
    critical = last_words("critical", priorityClassName="system-node-critical")
    debian.apply(deployment("web", replicas=2), service("web"), last_words("ordinary"), critical)
    debian.ready_pods("app=web", 2)
    debian.kubectl("wait", "--for=condition=Ready", "pod/ordinary", "pod/critical", f"--timeout={170 * FACTOR:.0f}s")
    until(lambda: "sampan kubelet" in output("systemd-inhibit", "--list"), "the kubelet holds up shutdowns")


def last_words(name: str, **spec: str) -> dict[str, Any]:
    """A pod that notes when it is told to end, and when it has."""
    noted = f"touch /words/{name}-told; sleep 2; touch /words/{name}-ended; exit 0"
    return script(name, f"trap '{noted}' TERM; while :; do sleep 1; done", **ENDING, **spec)


def moment(note: str) -> float:
    return (WORDS / note).stat().st_mtime
