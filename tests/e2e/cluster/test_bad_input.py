"""What goes wrong is said plainly, with upstream's code and reason where the API answers."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

import pytest
import yaml

from .harness import SAMPAN, Cluster, run
from .manifests import deployment, script


def refused(cluster: Cluster, manifest: object, *arguments: str) -> str:
    text = manifest if isinstance(manifest, str) else yaml.safe_dump(manifest)
    done = cluster.kubectl("create", "-f", "-", *arguments, stdin=text, check=False)
    assert done.returncode == 1
    return done.stderr


def test_an_unknown_field(cluster: Cluster, namespace: str) -> None:
    manifest = deployment("web")
    manifest["spec"]["template"]["spec"]["containers"][0]["imagee"] = "x"
    assert 'unknown field "spec.template.spec.containers[0].imagee"' in refused(cluster, manifest)


def test_a_wrong_type(cluster: Cluster, namespace: str) -> None:
    manifest = deployment("web")
    manifest["spec"]["replicas"] = "three"
    message = refused(cluster, manifest, "--validate=false")
    assert "BadRequest" in message and "replicas" in message


def test_an_invalid_name(cluster: Cluster, namespace: str) -> None:
    message = refused(cluster, deployment("Web_1"))
    assert 'The Deployment "Web_1" is invalid' in message
    assert "metadata.name: Invalid value" in message and "a lowercase RFC 1123 subdomain" in message


def test_a_patch_to_a_missing_object(cluster: Cluster, namespace: str) -> None:
    done = cluster.kubectl("patch", "pod", "nobody", "-p", "{}", check=False)
    assert 'Error from server (NotFound): pods "nobody" not found' in done.stderr


def test_a_body_over_the_limit(cluster: Cluster, namespace: str) -> None:
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "big"}, "data": {"a": "x" * (4 << 20)}}
    message = refused(cluster, json.dumps(manifest), "--validate=false")
    assert "RequestEntityTooLarge" in message and "limit is 3145728" in message


def test_a_broken_kubeconfig(cluster: Cluster, tmp_path: Path) -> None:
    broken = tmp_path / "kubeconfig"
    broken.write_text("apiVersion: v1\nkind: Config\nclusters: [")
    done = run(["kubectl", "--kubeconfig", str(broken), "get", "pods"], check=False)
    assert done.returncode == 1
    cluster.kubeconfig.rename(tmp_path / "saved")
    try:
        cluster.kubeconfig.write_text(broken.read_text())
        status = cluster.sampan("status", check=False)
    finally:
        (tmp_path / "saved").rename(cluster.kubeconfig)
    assert status.returncode == 1 and "is not YAML" in status.stdout and "Traceback" not in status.stderr


def test_a_stranger_is_not_let_in(cluster: Cluster) -> None:
    url = f"https://127.0.0.1:{cluster.port}/api/v1/secrets"
    answer = json.loads(run(["curl", "-sk", url]).stdout)
    assert (answer["code"], answer["kind"]) in ((401, "Status"), (403, "Status"))


def test_a_busy_port(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = str(holder.getsockname()[1])
        done = run([*SAMPAN, "up", "--data-dir", str(tmp_path / "data"), "--port", port], check=False)
    assert done.returncode == 1 and f"port {port} on 127.0.0.1" in done.stderr and "--port" in done.stderr
    assert not (tmp_path / "data").exists()


def test_a_missing_package(tmp_path: Path) -> None:
    arguments = [*SAMPAN, "up", "--data-dir", str(tmp_path / "data"), "--cni-bin-dir", str(tmp_path)]
    done = run(arguments, check=False)
    assert done.returncode == 1 and "apt-get install containernetworking-plugins" in done.stderr


@pytest.mark.parametrize("verb", ["up", "down"])
def test_not_being_root(tmp_path: Path, verb: str) -> None:
    # The interpreter may be in root's home, so it is left only when everything is imported.
    code = f"""
import os, sys
from sampan.cli import main, {verb}
os.setgid(65534)
os.setuid(65534)
sys.argv[1:] = ["{verb}", "--data-dir", "/var/lib/sampan-nobody"]
main.main()
"""
    done = run([sys.executable, "-c", code], check=False)
    assert done.returncode == 1 and "needs root" in done.stderr and "Traceback" not in done.stderr


def test_an_option_that_differs_from_the_running_cluster(cluster: Cluster) -> None:
    done = cluster.sampan("up", "--service-cidr", "10.97.0.0/16", check=False)
    assert done.returncode == 1 and "was made with --service-cidr 10.96.0.0/16" in done.stderr


def test_a_pod_with_no_containers(cluster: Cluster, namespace: str) -> None:
    manifest = script("empty", "true")
    manifest["spec"]["containers"] = []
    assert "spec.containers: Required value" in refused(cluster, manifest)


def test_more_nodes_than_there_can_be(tmp_path: Path) -> None:
    done = run([*SAMPAN, "up", "--data-dir", str(tmp_path / "data"), "--nodes", "101"], check=False)
    assert done.returncode == 1 and "--nodes 101: choose 1 to 100" in done.stderr
