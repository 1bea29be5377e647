"""A cluster brought up by the scripts on Debian as it is installed, and what is asked of the machine."""

from __future__ import annotations

import contextlib
import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

from ..cluster.harness import ROOT, Cluster, run, until
from ..patience import FACTOR

DATA_DIR = Path("/var/lib/sampan")
REBOOTED = Path("/var/lib/sampan-rebooted")
"""Says that the machine has restarted in the middle of the tests, and how many had failed before."""


class Debian(Cluster):
    def __init__(self) -> None:
        super().__init__(DATA_DIR, 6443)

    def up(self, *arguments: str) -> str:
        return run([str(ROOT / "scripts/up"), "--wait", str(90 * FACTOR), *arguments], seconds=600).stdout

    def down(self, *arguments: str) -> str:
        return run([str(ROOT / "scripts/down"), *arguments]).stdout

    def apply(self, *manifests: dict[str, Any]) -> None:
        """Not validated by kubectl, which gives up before an emulated processor has read the API's description."""
        self.kubectl("apply", "--validate=false", "-f", "-", stdin=yaml.safe_dump_all(manifests))

    def cluster_ip(self, service: str) -> str:
        return str(self.get("service", service)["spec"]["clusterIP"])

    def node_port(self, service: str) -> int:
        return int(self.get("service", service)["spec"]["ports"][0]["nodePort"])

    def node_ip(self) -> str:
        """The first node's address."""
        addresses = self.get("nodes")["items"][0]["status"]["addresses"]
        return str(next(entry["address"] for entry in addresses if entry["type"] == "InternalIP"))

    def answers(self, url: str) -> None:
        """Waits until a request from the node is answered by the sample."""
        until(lambda: "Hello from" in output("curl", "-s", "--max-time", "20", url), f"{url} answers")

    def inside(self, pod: str, *command: str) -> str:
        return self.kubectl("exec", pod, "--", *command).stdout


def output(*command: str) -> str:
    """What a program of the machine's says, "" when it fails."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def slice_of(uid: str) -> Path:
    """A pod's control group under systemd, by its quality of service (Guaranteed ones have none in the name)."""
    unit = uid.replace("-", "_")
    (found,) = Path("/sys/fs/cgroup/kubepods.slice").glob(f"**/kubepods*-pod{unit}.slice")
    return found


def network_of(address: str) -> Path:
    """The namespace of the pod with that address (IPv4), on whatever node of this machine."""
    own = re.compile(rf"-- {re.escape(address)}\n +/32 host LOCAL")
    for file in Path("/proc").glob("[0-9]*/net/fib_trie"):
        with contextlib.suppress(OSError):
            if own.search(file.read_text()):
                return file.parents[1] / "ns/net"
    raise AssertionError(f"no process has the address {address}")


def files(folder: Path, *names: str) -> dict[str, str]:
    return {name: (folder / name).read_text().strip() for name in names}


def leftovers() -> dict[str, str]:
    """What `down` must not leave behind; nothing at all."""
    found = {
        "slices": "\n".join(map(str, Path("/sys/fs/cgroup").glob("kubepods*"))),
        "units": output("systemctl", "list-units", "--all", "--plain", "--no-legend", "kubepods*", "cri-containerd-*"),
        "mounts": "\n".join(
            line for line in Path("/proc/mounts").read_text().splitlines() if "sampan" in line.split()[1]
        ),
        "tables": output("nft", "list", "tables"),
        "virtual servers": output("ipvsadm", "-Sn"),
        "interfaces": "\n".join(
            name for name in output("ip", "-br", "link").splitlines() if not name.startswith(("lo ", "en", "eth"))
        ),
        "namespaces": output("ip", "netns", "list"),
        "processes": output("pgrep", "-af", f"sampan: |{DATA_DIR}/"),
    }
    checkout = str(ROOT)
    kept = {
        what: "\n".join(line for line in shown.splitlines() if f" {checkout} " not in line)
        for what, shown in found.items()
    }
    return {what: shown for what, shown in kept.items() if shown}
