"""Images from a real registry that wants a password (Debian's docker-registry, on loopback)."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sampan.api.kinds import core_v1, meta_v1

from .harness import IMAGE, Machine, Node, eventually

CONFIG = """\
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {folder}/store}}}}
http: {{addr: "{address}"}}
auth: {{htpasswd: {{realm: test, path: {folder}/htpasswd}}}}
"""
# "me" with the password "secret", as `htpasswd -nbB me secret` writes it.
PASSWORDS = "me:$2b$05$HTWEEPUqE4Mg19QfKQWSSOeO0bLBWvWkivMKqyXrX9zbboc9lu2bK\n"


@pytest.fixture(scope="session")
def registry(machine: Machine) -> Iterator[str]:
    """The address of a registry that holds the sample image."""
    folder = machine.folder / "registry"
    folder.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    (folder / "htpasswd").write_text(PASSWORDS)
    (folder / "config.yml").write_text(CONFIG.format(folder=folder, address=address))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["docker-registry", "serve", str(folder / "config.yml")], stdout=log, stderr=log)
    try:
        push(machine.containerd.socket, f"{address}/team/app:1")
        yield address
    finally:
        process.terminate()
        process.wait()


def push(containerd: Path, reference: str) -> None:
    """Pushes the sample under another name and forgets the name here."""
    ctr = ["ctr", "--address", str(containerd), "--namespace", "k8s.io", "images"]
    subprocess.run([*ctr, "tag", "--force", IMAGE, reference], check=True, capture_output=True)
    command = [*ctr, "push", "--plain-http", "--user", "me:secret", reference]
    for last in [False] * 50 + [True]:
        if not subprocess.run(command, check=last, capture_output=True).returncode:
            break
    subprocess.run([*ctr, "remove", "--sync", reference], check=True, capture_output=True)


def credentials(node: Node, address: str, password: str) -> None:
    document = {"auths": {f"http://{address}": {"username": "me", "password": password}}}
    data = {".dockerconfigjson": base64.b64encode(json.dumps(document).encode()).decode()}
    meta = meta_v1.ObjectMeta(name="registry", namespace="default")
    node.api.add(core_v1.Secret(metadata=meta, type="kubernetes.io/dockerconfigjson", data=data))


def app(address: str) -> dict[str, str]:
    return {"name": "c", "image": f"{address}/team/app:1", "imagePullPolicy": "Always"}


async def test_with_the_pods_secret(node: Node, registry: str) -> None:
    credentials(node, registry, "secret")
    node.pod(containers=[app(registry)], imagePullSecrets=[{"name": "registry"}])
    await node.running()
    assert node.container().imageID.startswith(f"{registry}/team/app@sha256:")
    assert any(event.startswith("Pulled: Successfully pulled image") for event in node.events())


async def test_without_it(node: Node, registry: str) -> None:
    node.pod(containers=[app(registry)])
    await eventually(lambda: (s := node.container()) is not None and s.state.waiting.reason == "ErrImagePull")
    assert "401 Unauthorized" in node.container().state.waiting.message


async def test_with_a_wrong_one(node: Node, registry: str) -> None:
    credentials(node, registry, "wrong")
    node.pod(containers=[app(registry)], imagePullSecrets=[{"name": "registry"}])
    await eventually(lambda: (s := node.container()) is not None and s.state.waiting.reason == "ErrImagePull")
    assert "401 Unauthorized" in node.container().state.waiting.message
