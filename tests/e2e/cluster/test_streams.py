"""exec, attach, port-forward and cp through kubectl of both ages and the Python client, into real containers."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from sampan.testing.ports import free_port

from .harness import Cluster, until
from .manifests import SAMPLE, deployment, script

SYS_ADMIN = 21
"""The number of the capability CAP_SYS_ADMIN."""
TERMINAL = "tty; until stty size 2>/dev/null | grep '33 99'; do sleep 0.1; done; exec cat"


@pytest.fixture
def shell(cluster: Cluster, namespace: str) -> Cluster:
    """A pod named `shell` that waits for commands, and echoes what is attached to it."""
    cluster.apply(script("shell", "while read line; do echo heard $line; done; sleep 1000", container={"stdin": True}))
    cluster.kubectl("wait", "--for=condition=Ready", "pod/shell", "--timeout=60s")
    return cluster


def test_a_command_and_its_streams(shell: Cluster, kubectl: str) -> None:
    done = shell.kubectl(
        "exec", "shell", "--", "sh", "-c", "echo out; echo err >&2; exit 7", program=kubectl, check=False
    )
    assert (done.stdout, done.returncode) == ("out\n", 7)
    assert "err\n" in done.stderr and "exit code 7" in done.stderr
    assert (
        shell.kubectl("exec", "-i", "shell", "--", "wc", "-c", program=kubectl, stdin="x" * 300_000).stdout
        == "300000\n"
    )
    missing = shell.kubectl("exec", "shell", "--", "no-such-program", program=kubectl, check=False)
    assert missing.returncode and "no-such-program" in missing.stderr
    absent = shell.kubectl("exec", "shell", "-c", "none", "--", "true", program=kubectl, check=False)
    assert "container none is not valid for pod shell" in absent.stderr


def test_a_terminal(shell: Cluster, kubectl: str) -> None:
    leader, follower = pty.openpty()
    os.set_blocking(leader, False)
    command = [kubectl, "exec", "-it", "shell", "--", "sh", "-c", TERMINAL]
    environment = {**os.environ, "KUBECONFIG": str(shell.kubeconfig)}
    program = subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower, env=environment)
    seen = b""

    def shows(text: bytes) -> bool:
        nonlocal seen
        with suppress(BlockingIOError):
            seen += os.read(leader, 65536)
        assert text in seen, seen
        return True

    try:
        until(lambda: shows(b"/dev/pts/"), "a terminal is there")
        subprocess.run(["stty", "rows", "33", "cols", "99"], stdin=follower, check=True)
        program.send_signal(signal.SIGWINCH)
        until(lambda: shows(b"33 99"), "it gets the size of ours")
        os.write(leader, b"hello\r")
        until(lambda: shows(b"hello\r\nhello\r\n"), "what is typed comes back, and again from cat")
        os.write(leader, b"\x04")
        assert program.wait(20) == 0
    finally:
        program.kill()
        program.wait()
        os.close(leader)
        os.close(follower)


def test_attach_reaches_the_containers_own_process(shell: Cluster, kubectl: str) -> None:
    environment = {**os.environ, "KUBECONFIG": str(shell.kubeconfig)}
    program = subprocess.Popen(
        [kubectl, "attach", "-i", "shell"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    assert program.stdin is not None and program.stdout is not None
    try:
        program.stdin.write("me\n")
        program.stdin.flush()
        assert program.stdout.readline() == "heard me\n"
    finally:
        program.kill()
        program.communicate()


def test_files_are_copied_both_ways(shell: Cluster, kubectl: str, tmp_path: Path) -> None:
    there, back = tmp_path / "there", tmp_path / "back"
    there.write_bytes(os.urandom(3_000_000))
    shell.kubectl("cp", str(there), "shell:/tmp/copied", program=kubectl)
    shell.kubectl("cp", "shell:/tmp/copied", str(back), program=kubectl)
    assert back.read_bytes() == there.read_bytes()


@contextmanager
def forwarding(cluster: Cluster, kubectl: str, what: str) -> Iterator[int]:
    port = free_port()
    environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}
    program = subprocess.Popen(
        [kubectl, "port-forward", what, f"{port}:8080"], stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert program.stdout is not None
        assert "Forwarding from 127.0.0.1" in program.stdout.readline()
        yield port
    finally:
        program.kill()
        program.communicate()


def test_ports_are_forwarded(cluster: Cluster, namespace: str, kubectl: str) -> None:
    cluster.apply(deployment("web", replicas=1))
    cluster.ready_pods("app=web", 1)
    with forwarding(cluster, kubectl, "deployment/web") as port:
        for _ in range(3):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20) as answer:
                assert b"web-" in answer.read()


def test_debug_adds_a_container_and_attaches(shell: Cluster) -> None:
    """A privileged one in a pod that had none."""
    done = shell.kubectl(
        "debug",
        "shell",
        "--image",
        SAMPLE,
        "--image-pull-policy=IfNotPresent",
        "--profile=sysadmin",
        "-i",
        "--quiet",
        "--",
        *("grep", "CapEff", "/proc/self/status"),
        check=False,
    )
    told = done.stdout + shell.kubectl("logs", "shell", "--all-containers").stdout
    rights = int(told.partition("CapEff:")[2].split()[0], 16)
    assert rights >> SYS_ADMIN & 1


def test_debug_of_a_node_and_of_a_copy(shell: Cluster, kubectl: str) -> None:
    """On the node: its files below /host, its processes; of a pod: a copy of it with another command."""
    node = shell.kubectl("get", "nodes", "-o", "name").stdout.strip()
    look = ["sh", "-c", "cat /host/etc/hostname; ps | wc -l; sleep 1"]
    done = shell.kubectl(
        "debug", node, "--image", SAMPLE, "--attach=false", "--quiet", "--", *look, program=kubectl, check=False
    )
    assert done.returncode == 0, done.stderr
    pods = shell.kubectl("get", "pods", "-o", "name").stdout.split()
    (debugger,) = (pod for pod in pods if pod.startswith("pod/node-debugger-"))
    shell.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", debugger, "--timeout=60s")
    name, processes = shell.kubectl("logs", debugger).stdout.split()
    assert name == Path("/etc/hostname").read_text().strip()
    assert int(processes) > 10
    copy = ["--copy-to", "again", "--container", "script", "--attach=false", "--quiet", "--", "echo", "copied"]
    shell.kubectl("debug", "shell", *copy, program=kubectl)
    shell.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/again", "--timeout=60s")
    assert shell.kubectl("logs", "again").stdout == "copied\n"


def test_the_python_clients_stream(shell: Cluster, namespace: str) -> None:
    import kubernetes
    from kubernetes.stream import stream

    with kubernetes.config.new_client_from_config(str(shell.kubeconfig)) as client:
        api = kubernetes.client.CoreV1Api(client)
        call = api.connect_get_namespaced_pod_exec
        command = ["sh", "-c", "read word; echo $word; exit 3"]
        options = {"command": command, "stdin": True, "stdout": True, "stderr": True}
        session = stream(call, "shell", namespace, **options, _preload_content=False)
        session.write_stdin("hello\n")
        session.run_forever(timeout=20)
        assert (session.read_stdout(), session.returncode) == ("hello\n", 3)
        session.sock.shutdown()  # its own `close` leaves the socket open when the server has ended the stream


def test_a_stream_survives_the_kubelets_peers_but_not_its_pod(shell: Cluster, kubectl: str) -> None:
    """What is under way ends with its pod, and says so by a failure, not by hanging."""
    environment = {**os.environ, "KUBECONFIG": str(shell.kubeconfig)}
    program = subprocess.Popen(
        [kubectl, "exec", "shell", "--", "sh", "-c", "echo started; sleep 1000"],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    assert program.stdout is not None
    try:
        assert program.stdout.readline() == "started\n"
        shell.kubectl("delete", "pod", "shell", "--wait=false")
        assert program.wait(30) != 0
    finally:
        program.kill()
        program.communicate()
