"""Writing kubeconfig files: a server, the authority to trust it by, and a client certificate."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import yaml

from sampan.cluster.layout import write_private


def write(path: Path, *, server: str, ca: Path, certificate: Path, key: Path, user: str) -> None:
    """A kubeconfig with everything inside it, so that the one file can be handed on; private."""
    write_private(path, yaml.safe_dump(document(server, ca, certificate, key, user), sort_keys=False).encode())


def document(server: str, ca: Path, certificate: Path, key: Path, user: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "sampan", "cluster": {"server": server, "certificate-authority-data": _base64(ca)}}],
        "users": [
            {
                "name": user,
                "user": {"client-certificate-data": _base64(certificate), "client-key-data": _base64(key)},
            }
        ],
        "contexts": [{"name": "sampan", "context": {"cluster": "sampan", "user": user}}],
        "current-context": "sampan",
    }


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
