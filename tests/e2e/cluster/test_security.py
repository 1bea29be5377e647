"""What docs/security.md says of a cluster is so: its commands are run. And nothing that is secret lies about."""

from __future__ import annotations

import base64
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from .harness import ROOT, Cluster, run

PAGE = (ROOT / "docs" / "security.md").read_text()
PRELUDE = re.findall(r"```\n(.*?)```", PAGE, re.DOTALL)[0]
CHECKS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
PRIVATE = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----|eyJhbGciOi[\w-]+\.[\w-]+\.[\w-]+")


def paragraph(command: str) -> str:
    """The first words of what the page says before a command."""
    text = PAGE.partition(f"```sh\n{command}")[0].rstrip().rpartition("\n\n")[2]
    return " ".join(re.sub(r"[^\w. ]", "", text).split()[:5])


@pytest.fixture(scope="module")
def environment(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """With `sampan` on the PATH, and the variables that the page sets."""
    programs = tmp_path_factory.mktemp("programs")
    (programs / "sampan").write_text(f'#!/bin/sh\nexec {sys.executable} -m sampan "$@"\n')
    (programs / "sampan").chmod(0o755)
    path = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
    assert "D=/var/lib/sampan\n" in PRELUDE
    script = PRELUDE.replace("/var/lib/sampan", str(cluster.data_dir)) + "\nenv -0"
    lines = run(["bash", "-euo", "pipefail", "-c", script], env=path).stdout.split("\0")
    return dict(line.split("=", 1) for line in lines if "=" in line)


@pytest.mark.parametrize("command", CHECKS, ids=[paragraph(command) for command in CHECKS])
def test_the_page_says_what_is(environment: dict[str, str], command: str) -> None:
    done = subprocess.run(
        ["bash", "-eu", "-c", command], capture_output=True, text=True, env=environment, timeout=60, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def files(cluster: Cluster) -> list[Path]:
    """All that Sampan itself has written: not what containers and their images hold."""
    others = ("containerd", "kubelet/pods", "cni", "images")
    found = (path for path in cluster.data_dir.rglob("*") if path.is_file() and not path.is_symlink())
    return [p for p in found if not str(p.relative_to(cluster.data_dir)).startswith(others)]


def test_whatever_holds_a_key_or_a_token_is_its_owners_alone(cluster: Cluster) -> None:
    wrong = []
    keys = 0
    for path in files(cluster):
        status = path.stat()
        secret = path.name.startswith("store") or PRIVATE.search(path.read_bytes()) is not None
        secret |= b"client-key-data" in path.read_bytes()
        keys += secret
        if status.st_uid or (secret and stat.S_IMODE(status.st_mode) & 0o077):
            wrong.append((str(path), oct(status.st_mode), status.st_uid))
    assert keys > 5
    assert wrong == []


def test_cve_2019_11250_logs_and_arguments_hold_no_secret(cluster: Cluster, namespace: str) -> None:
    """Of a cluster that has made tokens, mounted and shown Secrets, and refused wrong ones."""
    password = "correct-horse-battery-staple"
    cluster.kubectl("create", "secret", "generic", "s", f"--from-literal=password={password}")
    cluster.kubectl("get", "secret", "s", "-o", "yaml")
    token = cluster.kubectl("create", "token", "default").stdout.strip()
    cluster.kubectl("get", "pods", f"--token={token}", check=False)
    cluster.kubectl("create", "secret", "generic", "s", f"--from-literal=password={password}", check=False)
    logs = b"".join(path.read_bytes() for path in (cluster.data_dir / "log").rglob("*") if path.is_file())
    arguments = b"".join(filter(None, map(command_line, Path("/proc").glob("[0-9]*"))))
    metrics = cluster.kubectl("get", "--raw", "/metrics").stdout.encode()
    assert b"serving" in logs
    for text in (logs, arguments, metrics):
        assert PRIVATE.search(text) is None
        assert password.encode() not in text
        assert base64.b64encode(password.encode()) not in text
        assert token.rpartition(".")[2].encode() not in text


def command_line(process: Path) -> bytes:
    """The arguments of one of this cluster's processes; nothing of others and of those that have ended."""
    try:
        text = (process / "cmdline").read_bytes()
    except OSError:
        return b""
    return text if b"sampan" in text and b"pytest" not in text else b""


@pytest.mark.parametrize("path", ["/pods", "/exec/default/p/c", "/debug/pprof/", "/logs/", "/metrics", "/configz"])
def test_cve_2019_11248_no_port_of_the_kubelet_answers_to_nobody(environment: dict[str, str], path: str) -> None:
    """The port that others reach asks who it is; `/healthz` of it, too. That of the loopback knows nothing else."""
    for target in (path, "/healthz"):
        url = f"https://{environment['A']}:10250{target}"
        command = ["curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", url]
        assert run(command).stdout == "401"
    local = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", f"http://127.0.0.1:10248{path}"]
    assert run(local).stdout == "404"
    honest = ["kubectl", "get", "--raw", f"/api/v1/nodes/{environment['N']}/proxy/healthz"]
    assert run(honest, env=environment).stdout == "ok"
