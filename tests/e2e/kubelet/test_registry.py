"""Images from a real registry that wants a password (Debian's docker-registry, on loopback)."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sampan.api.kinds import core_v1, meta_v1
from sampan.cri import registries
from sampan.cri.builtin import PAUSE_IMAGE, sample_image
from sampan.cri.oci import File, ImageConfig, build_image, import_image
from sampan.kubelet.credentials import configuration as credentials_of
from sampan.kubelet.stats import disk

from .harness import IMAGE, Machine, Node, eventually, running_node

CONFIG = """\
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {folder}/store}}}}
http: {{addr: "{address}"}}
auth: {{htpasswd: {{realm: test, path: {folder}/htpasswd}}}}
"""
# "me" with the password "secret", as `htpasswd -nbB me secret` writes it.
PASSWORDS = "me:$2b$05$HTWEEPUqE4Mg19QfKQWSSOeO0bLBWvWkivMKqyXrX9zbboc9lu2bK\n"


@contextmanager
def serving(folder: Path, config: str) -> Iterator[str]:
    """A registry that keeps its images in the folder; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    (folder / "config.yml").write_text(config.format(folder=folder, address=address))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["docker-registry", "serve", str(folder / "config.yml")], stdout=log, stderr=log)
    try:
        yield address
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="session")
def registry(machine: Machine) -> Iterator[str]:
    """The address of a registry that holds the sample image and wants a password."""
    folder = machine.folder / "registry"
    folder.mkdir()
    (folder / "htpasswd").write_text(PASSWORDS)
    with serving(folder, CONFIG) as address:
        push(machine.containerd.socket, f"{address}/team/app:1")
        yield address


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
    told = node.container().state.waiting.message
    # containerd 1's words, and containerd 2's.
    assert "401 Unauthorized" in told or "no basic auth credentials" in told


async def test_with_a_wrong_one(node: Node, registry: str) -> None:
    credentials(node, registry, "wrong")
    node.pod(containers=[app(registry)], imagePullSecrets=[{"name": "registry"}])
    await eventually(lambda: (s := node.container()) is not None and s.state.waiting.reason == "ErrImagePull")
    assert "401 Unauthorized" in node.container().state.waiting.message


@pytest.fixture(scope="session")
def mirror(machine: Machine) -> Iterator[str]:
    """A registry that needs no password and holds an image of its own."""
    folder = machine.folder / "mirror"
    folder.mkdir()
    config = CONFIG[: CONFIG.index("auth:")]
    with serving(folder, config) as address:
        push(machine.containerd.socket, f"{address}/team/open:1")
        yield address


async def test_from_a_mirror_of_a_registry_that_cannot_be_reached(node: Node, machine: Machine, mirror: str) -> None:
    mirrors = {"r.invalid:5000": [f"http://{mirror}"]}
    registries.write(machine.containerd.directory / "certs.d", mirrors)
    node.pod(containers=[{"name": "c", "image": "r.invalid:5000/team/open:1"}])
    await node.running()
    told = next(event for event in node.events() if "Successfully pulled" in event)
    assert "including waiting). Image size: " in told


async def test_an_image_is_there_only_for_those_who_had_the_key(node: Node, registry: str) -> None:
    """KEP-2535: the image is on the node, and the registry decides for every pod that shows no key it knows."""
    credentials(node, registry, "secret")
    image = {"name": "c", "image": f"{registry}/team/app:1", "imagePullPolicy": "IfNotPresent"}
    node.pod(containers=[{**image, "imagePullPolicy": "Always"}], imagePullSecrets=[{"name": "registry"}])
    await node.running()
    node.pod("thief", containers=[image])
    node.pod("sly", containers=[{**image, "imagePullPolicy": "Never"}])
    node.pod("friend", containers=[image], imagePullSecrets=[{"name": "registry"}])
    await node.running("friend")
    await eventually(lambda: waiting(node, "thief") in ("ErrImagePull", "ImagePullBackOff"))
    await eventually(lambda: waiting(node, "sly") == "ErrImageNeverPull")
    assert any("already present on machine and can be accessed by the pod" in event for event in node.events())
    assert len(list((node.folder / "kubelet/image_manager/pulled").iterdir())) == 1


def waiting(node: Node, pod: str) -> str:
    status = node.container(pod=pod)
    return status.state.waiting.reason if status is not None and status.state.waiting is not None else ""


async def test_collecting_an_image_gives_its_space_back(machine: Machine) -> None:
    """When the disk is fuller than it should be, or for its age. The layers go from containerd's folder, not only the
    name from its list; an image that a container is made of stays."""
    name, size, before = "test.invalid/spare:1", 30 << 20, used(machine)
    await import_large(machine, name, size)
    node, whole = Node(machine), shutil.disk_usage(machine.containerd.directory)
    common: dict[str, Any] = {"housekeeping": 0.3, "kept_images": PAUSE_IMAGE, "image_gc_youngest": 0.5}
    full = 100 * (whole.total - whole.free) / whole.total
    node.config = replace(node.config, **common, image_gc_high_percent=full / 2, image_gc_low_percent=full / 4)
    try:
        async with running_node(node):
            node.pod()
            await node.running()
            await eventually(lambda: used(machine) < before + (1 << 20))
            assert await kept(node, name) == {IMAGE}
            await eventually(lambda: any(event.startswith("FreeDiskSpaceFailed") for event in node.events()))
            await node.stop()
            await import_large(machine, name, size)
            assert used(machine) > before + size
            node.config = replace(node.config, image_gc_high_percent=100.0, image_gc_oldest=2.0)
            await node.start()
            await eventually(lambda: used(machine) < before + (1 << 20))
            assert await kept(node, name) == {IMAGE}
    finally:
        for version in ("1", "2"):
            await import_image(machine.containerd.socket, sample_image(version))


async def import_large(machine: Machine, name: str, size: int) -> None:
    archive = build_image(name, [File(path="large", content=os.urandom(size))], ImageConfig(command=["/none"]))
    await import_image(machine.containerd.socket, archive)


async def kept(node: Node, *names: str) -> set[str]:
    """Which of these there are still, and of the samples."""
    found = {name for image in await node.runtime.list_images() for name in image.repo_tags}
    return found & {IMAGE, "sampan.dev/sample:2", *names}


def used(machine: Machine) -> int:
    """Bytes of the files that containerd keeps images in."""
    return disk.folder(machine.containerd.directory / "root")[0]


class Silent:
    """A registry that takes every question and answers none; `asked` are the images it was asked for, in order."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._open: list[asyncio.StreamWriter] = []

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.append(writer)
        while line := await reader.readline():
            if b"/manifests/" in line:
                self.asked.append(line.decode().split("/manifests/")[0].rpartition("/")[2])
        writer.close()

    async def close(self) -> None:
        for writer in self._open:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in self._open), return_exceptions=True)


@pytest.mark.parametrize("settings", [{"serialize_pulls": True}, {"max_parallel_pulls": 2}], ids=["serial", "two"])
async def test_so_many_pulls_at_a_time(machine: Machine, settings: dict[str, Any]) -> None:
    """Who comes later waits for a place; a pod that goes gives its place up."""
    node, registry, most = Node(machine), Silent(), settings.get("max_parallel_pulls", 1)
    node.config = replace(node.config, **settings)
    server = await asyncio.start_server(registry.answer, "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        async with running_node(node):
            for name in ("a", "b", "c"):
                node.pod(name, containers=[{"name": "c", "image": f"{address}/{name}:1"}])
            await eventually(lambda: sum(event.startswith("Pulling: ") for event in node.events()) == 3)
            await eventually(lambda: len(registry.asked) >= most)
            assert len(registry.asked) == most
            first = registry.asked[0]
            await node.api.delete(core_v1.Pod, first, "default", grace_period_seconds=0)
            await node.gone(first)
            await eventually(lambda: len(registry.asked) == most + 1)
            assert len({*registry.asked}) == most + 1
    finally:
        server.close()
        await registry.close()


ANSWER = """\
#!/bin/sh
cat >> "$ASKED"; echo >> "$ASKED"
cat <<END
{"kind": "CredentialProviderResponse", "apiVersion": "credentialprovider.kubelet.k8s.io/v1", "cacheKeyType": "Registry",
 "cacheDuration": "1h", "auth": {"REGISTRY": {"username": "me", "password": "secret"}}}
END
"""


async def test_with_a_credential_provider(machine: Machine, registry: str) -> None:
    """No pod has a secret: a program of the node's gives the password, and is asked once."""
    node = Node(machine)
    programs, asked = node.folder / "bin", node.folder / "asked"
    programs.mkdir()
    (programs / "ours").write_text(ANSWER.replace("REGISTRY", registry))
    (programs / "ours").chmod(0o755)
    provider = {
        "name": "ours",
        "apiVersion": "credentialprovider.kubelet.k8s.io/v1",
        "matchImages": [f"{registry}/team"],
        "defaultCacheDuration": "0s",
        "env": [{"name": "ASKED", "value": str(asked)}],
    }
    kind = {"apiVersion": "kubelet.config.k8s.io/v1", "kind": "CredentialProviderConfig"}
    (node.folder / "providers.json").write_text(json.dumps({**kind, "providers": [provider]}))
    providers = credentials_of.load(node.folder / "providers.json", programs)
    node.config = replace(node.config, credential_providers=providers, credential_programs=programs)
    async with running_node(node):
        node.pod(containers=[app(registry)])
        await node.running()
        node.pod("again", containers=[app(registry)])
        await node.running("again")
        requests = [json.loads(line) for line in asked.read_text().splitlines()]
        assert [request["image"] for request in requests] == [f"{registry}/team/app"]
        record = next((node.folder / "kubelet/image_manager/pulled").iterdir())
        assert json.loads(record.read_text())["credentialMapping"] == {
            f"{registry}/team/app": {"nodePodsAccessible": True}
        }
