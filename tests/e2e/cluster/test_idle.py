"""A cluster in which nothing happens is left alone: apart from heartbeats nobody writes anything."""

from __future__ import annotations

import re
import time
from collections import Counter

from .harness import Cluster, until

REQUEST = re.compile(r"^apiserver_request_total{(?P<labels>[^}]*)} (?P<count>\S+)", re.MULTILINE)
LABEL = re.compile(r'(\w+)="([^"]*)"')
WRITES = ("POST", "PUT", "PATCH", "DELETE", "APPLY")
QUESTIONS = ("subjectaccessreviews", "tokenreviews", "selfsubjectreviews", "localsubjectaccessreviews")
"""Created to be answered; nothing is stored."""
QUIET_SECONDS = 15.0


def writes(cluster: Cluster) -> Counter[str]:
    """Requests that store something, so far, leases aside."""
    found: Counter[str] = Counter()
    for match in REQUEST.finditer(cluster.kubectl("get", "--raw", "/metrics").stdout):
        labels = dict(LABEL.findall(match["labels"]))
        if labels["verb"] in WRITES and labels["resource"] not in ("leases", *QUESTIONS):
            found[f"{labels['verb']} {labels['resource']}/{labels.get('subresource', '')}"] += int(
                float(match["count"])
            )
    return found


def test_an_idle_cluster_writes_heartbeats_only(cluster: Cluster) -> None:
    """What earlier tests have left may take its time; then it is quiet for longer than any controller's period."""
    before = writes(cluster)
    cluster.kubectl("create", "configmap", "counted")
    cluster.kubectl("delete", "configmap", "counted")
    since, known = time.monotonic(), writes(cluster)
    seen: Counter[str] = Counter()
    assert (known - before)["POST configmaps/"], "what is written is not counted"

    def quiet() -> bool | None:
        nonlocal since, known
        now = writes(cluster)
        if now != known:
            seen.update(now - known)
            since, known = time.monotonic(), now
        return True if time.monotonic() - since > QUIET_SECONDS else None

    until(quiet, f"quiet; written meanwhile: {seen}", seconds=180.0)
