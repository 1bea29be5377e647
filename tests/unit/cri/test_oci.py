"""Images made from files."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from sampan.cri.builtin import busybox_files
from sampan.cri.errors import ImageFailure
from sampan.cri.oci import File, ImageConfig, build_image, import_image, imported, layer_tar, tree

FILES = [File(path="bin/run", content=b"#!/bin/sh\n"), File(path="bin/sh", target="run"), File(path="tmp", mode=0o1777)]


def unpack(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {m.name: file.read() for m in tar.getmembers() if (file := tar.extractfile(m)) is not None}


def test_the_layout_leads_from_the_index_to_the_layer() -> None:
    files = unpack(build_image("r.example/x:1", FILES, ImageConfig(entrypoint=["/bin/run"], env={"A": "b"})))
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    (entry,) = json.loads(files["index.json"])["manifests"]
    assert entry["annotations"]["io.containerd.image.name"] == "r.example/x:1"
    manifest = json.loads(files["blobs/sha256/" + entry["digest"].removeprefix("sha256:")])
    config = json.loads(files["blobs/sha256/" + manifest["config"]["digest"].removeprefix("sha256:")])
    assert config["config"] == {"Entrypoint": ["/bin/run"], "Env": ["A=b"], "WorkingDir": "/"}
    (layer,) = manifest["layers"]
    blob = files["blobs/sha256/" + layer["digest"].removeprefix("sha256:")]
    assert (len(blob), hashlib.sha256(blob).hexdigest()) == (layer["size"], layer["digest"].removeprefix("sha256:"))
    assert config["rootfs"]["diff_ids"] == [layer["digest"]]
    assert unpack(blob) == {"bin/run": b"#!/bin/sh\n"} | {"bin/sh": b"#!/bin/sh\n"}


def test_the_same_files_give_the_same_bytes() -> None:
    assert build_image("x:1", FILES, ImageConfig()) == build_image("x:1", list(reversed(FILES)), ImageConfig())


def test_parents_links_and_modes() -> None:
    with tarfile.open(fileobj=io.BytesIO(layer_tar([File(path="/a/b/c", content=b"", mode=0o600), *FILES]))) as tar:
        members = {member.name: member for member in tar.getmembers()}
    assert members["a"].isdir() and members["a/b"].isdir()
    assert members["a/b/c"].mode == 0o600
    assert members["bin/sh"].linkname == "run"
    assert members["tmp"].mode == 0o1777


def test_a_tree_on_disk(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").write_text("x")
    (tmp_path / "d" / "l").symlink_to("f")
    assert [(e.path, e.content, e.target) for e in tree(tmp_path)] == [
        ("d", None, None),
        ("d/f", b"x", None),
        ("d/l", None, "f"),
    ]


async def test_failures_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ImageFailure, match="install the package containerd"):
        await import_image(tmp_path / "no.sock", b"", ctr="no-such-ctr")
    with pytest.raises(ImageFailure, match="install the package busybox-static"):
        busybox_files(tmp_path / "busybox")


def test_what_either_ctr_says_of_an_import() -> None:
    first = "unpacking sampan.dev/pause:1 (sha256:18)...done\n"
    second = "sampan.dev/pause:1   \tsaved\t\napplication/vnd.oci.image.manifest.v1+json sha256:18\nImporting\tx: 0 s\n"
    assert imported(first) == imported(second) == ["sampan.dev/pause:1"]
