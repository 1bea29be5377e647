"""The images Sampan makes itself, so that a first cluster needs no registry: the pod's pause container and the sample.

Both are busybox (Debian's busybox-static), one file of two megabytes with a link for each of its commands.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from sampan.cri.errors import ImageFailure
from sampan.cri.oci import File, ImageConfig, build_image

PAUSE_IMAGE = "sampan.dev/pause:1"
SAMPLE_IMAGE = "sampan.dev/sample"
BUSYBOX = Path("/bin/busybox")
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Process 1 of a pod that shares its process namespace must reap what others leave; `wait` in ash does.
PAUSE = b"""#!/bin/sh
trap 'exit 0' TERM INT
while :; do
  sleep 2147483647 &
  wait
done
"""

# Endpoints leave the proxies a moment after the pod is told to end: keep answering for that moment.
SAMPLE = b"""#!/bin/sh
mkdir -p /tmp/www
echo "Hello from $HOSTNAME, sample version $SAMPLE_VERSION" > /tmp/www/index.html
httpd -f -p "${PORT:-8080}" -h /tmp/www &
server=$!
trap 'sleep "${DRAIN_SECONDS:-2}"; kill $server; exit 0' TERM INT
wait $server
"""


def busybox_files(busybox: Path = BUSYBOX) -> list[File]:
    """busybox, its commands as links, and the few files programs expect; raises ImageFailure when it is missing."""
    try:
        content = busybox.read_bytes()
        listing = subprocess.run([busybox, "--list"], capture_output=True, check=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise ImageFailure(f"{busybox} could not be used: {error}; install the package busybox-static") from None
    links = [File(path=f"bin/{name}", target="busybox") for name in listing.split() if name != "busybox"]
    return [
        File(path="bin/busybox", content=content),
        *links,
        File(
            path="etc/passwd",
            content=b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
            mode=0o644,
        ),
        File(path="etc/group", content=b"root:x:0:\nnobody:x:65534:\n", mode=0o644),
        File(path="root", mode=0o700),
        File(path="tmp", mode=0o1777),
        File(path="usr/bin"),
        File(path="var"),
    ]


def pause_image() -> bytes:
    """The OCI archive of PAUSE_IMAGE."""
    files = [*busybox_files(), File(path="pause", content=PAUSE)]
    return build_image(PAUSE_IMAGE, files, ImageConfig(entrypoint=["/pause"], env={"PATH": SEARCH_PATH}))


def sample_image(version: str) -> bytes:
    """The OCI archive of `sampan.dev/sample:<version>`: HTTP on $PORT (8080) that names the pod and the version."""
    files = [*busybox_files(), File(path="bin/sample", content=SAMPLE)]
    config = ImageConfig(command=["/bin/sample"], env={"PATH": SEARCH_PATH, "SAMPLE_VERSION": version})
    return build_image(f"{SAMPLE_IMAGE}:{version}", files, config)
