"""Secrets under a KMS v2 plug-in that runs in a process of its own, dies, comes back, and changes its key."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sampan.testing import kms

SECRETS = "/api/v1/namespaces/default/secrets"
HIDDEN = "bXktdGV4dA=="
CONFIGURATION = """
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers:
  - kms: {{apiVersion: v2, name: vault, endpoint: "unix://{socket}", timeout: 2s}}
  - identity: {{}}
"""


class Plugin:
    """The process, which may be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.socket, self.keys = folder / "kms.sock", folder / "keys"
        kms.add_key(self.keys, "one")
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "sampan.testing.kms", "--socket", str(self.socket), "--keys", str(self.keys)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "serving\n"

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None
        self.socket.unlink(missing_ok=True)


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[Plugin]:
    made = Plugin(tmp_path)
    made.start()
    yield made
    made.kill()


def rewritten(data: Path, file: Path) -> str:
    command = [sys.executable, "-m", "sampan", "store", "rewrite", "--data-dir", str(data)]
    command += ["--encryption-provider-config", str(file)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def test_a_plug_in_in_another_process(server: Any, plugin: Plugin, tmp_path: Path) -> None:
    file, data = tmp_path / "encryption.yaml", tmp_path / "data"
    data.mkdir()
    file.write_text(CONFIGURATION.format(socket=plugin.socket))

    def stored(text: bytes) -> bool:
        return any(text in path.read_bytes() for path in data.glob("store.db*"))

    process = type(server)(data, "--encryption-provider-config", str(file))
    try:
        api = process.start()
        api.make(SECRETS, {"metadata": {"name": "s"}, "data": {"k": HIDDEN}})
        assert stored(b"k8s:enc:kms:v2:vault:")
        assert not stored(HIDDEN.encode())

        plugin.kill()
        assert api("GET", f"{SECRETS}/s").body["data"] == {"k": HIDDEN}
        api.make(SECRETS, {"metadata": {"name": "without"}, "data": {"k": HIDDEN}})

        process.stop()
        with pytest.raises(AssertionError, match=r"vault|kms"):
            process.start()
        assert "check that it runs" in process.log()

        kms.add_key(plugin.keys, "two")
        plugin.start()
        api = process.start()
        assert api("GET", f"{SECRETS}/without").body["data"] == {"k": HIDDEN}
        process.stop()
        assert rewritten(data, file).startswith("2 objects")
        assert rewritten(data, file).startswith("0 objects")

        plugin.keys.write_text(plugin.keys.read_text().splitlines()[-1] + "\n")
        api = process.start()
        assert api("GET", f"{SECRETS}/s").body["data"] == {"k": HIDDEN}
    finally:
        process.stop()
