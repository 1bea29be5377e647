"""An image of two layers, for tests of what is mounted from images."""

from __future__ import annotations

from sampan.cri.oci import CONFIG, LAYER, MANIFEST, File, ImageConfig, canonical, descriptor, digest, image_settings
from sampan.cri.oci import layer_tar as tar

LAYERED = "sampan.dev/layered:1"


def layered_image() -> bytes:
    """The OCI archive of LAYERED: `/data/lower` in its first layer, `/data/upper` in its second."""
    layers = [tar([File(path=f"data/{name}", content=f"{name}\n".encode())]) for name in ("lower", "upper")]
    config = image_settings(ImageConfig(), "")
    config["rootfs"]["diff_ids"] = [digest(layer) for layer in layers]
    config["history"] *= 2
    settings = canonical(config)
    listed = [descriptor(LAYER, layer) for layer in layers]
    content = {"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(CONFIG, settings), "layers": listed}
    manifest = canonical(content)
    named = {"io.containerd.image.name": LAYERED, "org.opencontainers.image.ref.name": "1"}
    index = {"schemaVersion": 2, "manifests": [{**descriptor(MANIFEST, manifest), "annotations": named}]}
    named_blobs = {f"blobs/sha256/{digest(blob)[7:]}": blob for blob in (*layers, settings, manifest)}
    blobs = [File(path=path, content=blob, mode=0o644) for path, blob in named_blobs.items()]
    layout = File(path="oci-layout", content=canonical({"imageLayoutVersion": "1.0.0"}), mode=0o644)
    return tar([layout, File(path="index.json", content=canonical(index), mode=0o644), *blobs])
