"""OCI images made from files with the standard library, and their way into containerd.

An OCI image layout is a folder (here: a tar) of blobs named by their SHA-256: one layer (a tar, left uncompressed since
it never leaves the machine), a config that says what to run, a manifest that lists both, and `index.json` that points
to the manifest (OCI image-spec 1.0, image-layout.md). The same files give the same bytes, thus the same image id.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from sampan.cri.errors import ImageFailure

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
EPOCH = "1970-01-01T00:00:00Z"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "ppc64le": "ppc64le", "s390x": "s390x"}


@dataclass(frozen=True, kw_only=True)
class File:
    """One entry of an image's root: a file with `content`, a link to `target`, or else a folder."""

    path: str
    content: bytes | None = None
    target: str | None = None
    mode: int = 0o755


@dataclass(frozen=True, kw_only=True)
class ImageConfig:
    """What a container made of the image runs; as in the OCI image config."""

    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = "/"
    user: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = ""


def architecture() -> str:
    """This machine's, by Go's name: amd64, arm64."""
    machine = platform.machine()
    return ARCHITECTURES.get(machine, machine)


def build_image(reference: str, files: Iterable[File], config: ImageConfig) -> bytes:
    """An OCI layout tar holding one image named `reference` (`sampan.dev/pause:1`)."""
    layer = layer_tar(files)
    blobs = {digest(layer): layer}
    settings = canonical(image_settings(config, digest(layer)))
    blobs[digest(settings)] = settings
    manifest = canonical(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(CONFIG, settings),
            "layers": [descriptor(LAYER, layer)],
        }
    )
    blobs[digest(manifest)] = manifest
    named = {"io.containerd.image.name": reference, "org.opencontainers.image.ref.name": reference.rpartition(":")[2]}
    index = {"schemaVersion": 2, "manifests": [{**descriptor(MANIFEST, manifest), "annotations": named}]}
    entries = [File(path="oci-layout", content=canonical({"imageLayoutVersion": "1.0.0"}), mode=0o644)]
    entries.append(File(path="index.json", content=canonical(index), mode=0o644))
    entries += [File(path=f"blobs/sha256/{name[7:]}", content=blob, mode=0o644) for name, blob in blobs.items()]
    return layer_tar(entries)


def image_settings(config: ImageConfig, layer: str) -> dict[str, Any]:
    run = {
        "Entrypoint": list(config.entrypoint),
        "Cmd": list(config.command),
        "Env": [f"{name}={value}" for name, value in config.env.items()],
        "WorkingDir": config.working_dir,
        "User": config.user,
        "Labels": dict(config.labels),
        "StopSignal": config.stop_signal,
    }
    return {
        "created": EPOCH,
        "architecture": architecture(),
        "os": "linux",
        "config": {name: value for name, value in run.items() if value},
        "rootfs": {"type": "layers", "diff_ids": [layer]},
        "history": [{"created": EPOCH, "created_by": "sampan image build"}],
    }


def layer_tar(files: Iterable[File]) -> bytes:
    """A tar of the files and the folders they need, all of root's and of the epoch, in the order of their paths."""
    entries = {entry.path.strip("/"): entry for entry in files}
    for path in list(entries):
        for parent in PurePosixPath(path).parents:
            if str(parent) != ".":
                entries.setdefault(str(parent), File(path=str(parent)))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(entries):
            add(tar, path, entries[path])
    return buffer.getvalue()


def add(tar: tarfile.TarFile, path: str, entry: File) -> None:
    info = tarfile.TarInfo(path)
    info.mode = entry.mode
    if entry.target is not None:
        info.type, info.linkname = tarfile.SYMTYPE, entry.target
    elif entry.content is None:
        info.type = tarfile.DIRTYPE
    else:
        info.size = len(entry.content)
    tar.addfile(info, io.BytesIO(entry.content or b""))


def tree(folder: Path) -> list[File]:
    """The entries of a folder on disk, links as links, with their permission bits."""
    entries = []
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            entries.append(File(path=name, target=str(path.readlink())))
        elif path.is_dir():
            entries.append(File(path=name, mode=path.stat().st_mode & 0o7777))
        elif path.is_file():
            entries.append(File(path=name, content=path.read_bytes(), mode=path.stat().st_mode & 0o7777))
    return entries


def digest(blob: bytes) -> str:
    return "sha256:" + hashlib.sha256(blob).hexdigest()


def descriptor(media_type: str, blob: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest(blob), "size": len(blob)}


def canonical(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


async def import_image(socket: Path | str, archive: bytes | Path, *, ctr: str = "ctr") -> list[str]:
    """Loads an OCI or docker archive into containerd's CRI namespace; returns the references it has now.

    Raises ImageFailure with ctr's words. CRI sees the image a few milliseconds later.
    """
    source = str(archive) if isinstance(archive, Path) else "-"
    arguments = ["--address", str(socket).removeprefix("unix://"), "--namespace", "k8s.io", "images", "import", source]
    try:
        process = await asyncio.create_subprocess_exec(
            ctr,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except FileNotFoundError:
        raise ImageFailure(f"{ctr} was not found: install the package containerd") from None
    output, errors = await process.communicate(archive if isinstance(archive, bytes) else None)
    if process.returncode:
        raise ImageFailure(f"containerd did not take the image: {errors.decode(errors='replace').strip()}")
    return imported(output.decode())


def imported(output: str) -> list[str]:
    """The references in what `ctr images import` says: `unpacking NAME ...` of containerd 1, `NAME saved` of 2."""
    words = [line.split() for line in output.splitlines()]
    old = [line[1] for line in words if len(line) > 1 and line[0] == "unpacking"]
    return old + [line[0] for line in words if len(line) == 2 and line[1] == "saved"]
