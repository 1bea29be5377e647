"""NFS volumes by Debian's own client, from a server on the same machine, which then falls silent."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..cluster.harness import until
from ..cluster.manifests import script
from ..patience import FACTOR
from .machine import Debian, leftovers, output

SERVER = "192.0.2.2"
EXPORT = Path("/srv/shared")
STORAGE = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
MOUNTED = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
LOOKING = "until test -e /v/end; do ls -l /v >/dev/null; cat /v/first; done"
"""Asks the server again and again; nothing of it is answered from memory for long (`noac`)."""


def silence(verb: str) -> None:
    """`add` lets no packet of the server's through any more, `delete` does again."""
    rules = "table inet silence { chain input { type filter hook input priority -300; tcp dport 2049 drop; }; }"
    subprocess.run(["nft", rules if verb == "add" else "delete table inet silence"], check=True)


@pytest.fixture(scope="module")
def cluster(debian: Debian) -> Iterator[Debian]:
    EXPORT.mkdir(exist_ok=True)
    EXPORT.chmod(0o777)
    subprocess.run(["systemctl", "start", "nfs-server"], check=True)
    subprocess.run(["exportfs", "-o", "rw,no_root_squash,no_subtree_check", f"*:{EXPORT}"], check=True)
    debian.up("--no-sample")
    try:
        yield debian
    finally:
        subprocess.run(["nft", "delete", "table", "inet", "silence"], check=False, capture_output=True)


def claimed(cluster: Debian, name: str, *options: str) -> None:
    """A claim and its volume, bound to each other."""
    size = {"storage": "1Mi"}
    claim = {"volumeName": name, "resources": {"requests": size}, **STORAGE}
    cluster.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": claim})
    volume = {
        "capacity": size,
        "nfs": {"server": SERVER, "path": str(EXPORT)},
        "mountOptions": [*options],
        "claimRef": {"namespace": "default", "name": name, "uid": cluster.get("pvc", name)["metadata"]["uid"]},
        **STORAGE,
    }
    cluster.apply({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": volume})
    bound = json.dumps({**cluster.get("pvc", name), "status": {"phase": "Bound"}})
    path = f"/api/v1/namespaces/default/persistentvolumeclaims/{name}/status"
    cluster.kubectl("replace", "--raw", path, "-f", "-", stdin=bound)


def pod(name: str, command: str, claim: str, *, read_only: bool = False) -> dict[str, Any]:
    source = {"persistentVolumeClaim": {"claimName": claim, "readOnly": read_only}}
    return script(name, command, container=MOUNTED, volumes=[{"name": "v", **source}])


def ready(cluster: Debian, *names: str) -> None:
    pods = [f"pod/{name}" for name in names]
    cluster.kubectl("wait", "--for=condition=Ready", *pods, f"--timeout={170 * FACTOR:.0f}s")


def mounts() -> list[str]:
    return [line for line in Path("/proc/mounts").read_text().splitlines() if line.startswith(f"{SERVER}:{EXPORT} ")]


def test_two_pods_share_a_claim_with_its_options(cluster: Debian) -> None:
    claimed(cluster, "shared", "nfsvers=4.2", "hard", "noac")
    cluster.apply(
        pod("writes", "echo one > /v/first; grep ' /v ' /proc/mounts; sleep 100000", "shared"),
        pod("reads", "until cat /v/first; do sleep 1; done; echo x > /v/first; sleep 100000", "shared", read_only=True),
    )
    ready(cluster, "writes", "reads")
    until(lambda: "Read-only file system" in cluster.kubectl("logs", "reads").stdout, "the reader may not write")
    assert "one\n" in cluster.kubectl("logs", "reads").stdout
    assert (EXPORT / "first").read_text() == "one\n"
    told = cluster.kubectl("logs", "writes").stdout
    assert " nfs4 rw," in told and "vers=4.2" in told and "noac" in told
    assert len(mounts()) == 2 and sum(" nfs4 ro," in line for line in mounts()) == 1


def test_a_folder_that_is_not_shared_is_told(cluster: Debian) -> None:
    missing = script("missing", "true", container=MOUNTED)
    missing["spec"]["volumes"] = [{"name": "v", "nfs": {"server": SERVER, "path": "/srv/none"}}]
    cluster.apply(missing)
    look = ("get", "events", "--field-selector", "involvedObject.name=missing,reason=FailedMount", "-o", "yaml")
    until(lambda: "Mounting arguments: -t nfs " in cluster.kubectl(*look).stdout, "what mount says is told")
    cluster.kubectl("delete", "pod", "missing", f"--timeout={30 * FACTOR:.0f}s")


def test_a_server_that_falls_silent_holds_up_only_its_own(cluster: Debian) -> None:
    """Others start meanwhile; who waits for it, in its container or for its mount, can be deleted; nothing is left."""
    cluster.apply(pod("stuck", LOOKING, "shared"))
    ready(cluster, "stuck")
    silence("add")
    cluster.apply(pod("late", "true", "shared"), script("calm", "sleep 100000"))
    ready(cluster, "calm")
    assert cluster.get("pod", "late")["status"]["phase"] == "Pending"
    cluster.kubectl("delete", "pod", "late", "stuck", f"--timeout={60 * FACTOR:.0f}s")
    until(lambda: len(mounts()) == 2, "only those of the two that are there still are mounted")
    until(lambda: not output("pgrep", "mount.nfs"), "nobody waits for a mount that is not wanted any more")


def test_down_does_not_wait_for_it(cluster: Debian) -> None:
    cluster.down()
    assert mounts() == []
    until(lambda: leftovers() == {"tables": "table inet silence"}, "nothing of ours is left")
