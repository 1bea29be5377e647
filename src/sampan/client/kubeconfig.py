"""kubeconfig files as configurations of a client, and written anew. Their form is read by `codec.kubeconfig`."""

from __future__ import annotations

import base64
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from sampan.client.config import ClientConfig
from sampan.client.errors import BadConfig
from sampan.codec import kubeconfig as codec


def load(path: str | Path, context: str | None = None) -> ClientConfig:
    """The configuration of `context` (default: the current one); raises BadConfig."""
    try:
        read = codec.load(path, context)
    except codec.KubeconfigError as error:
        raise BadConfig(str(error)) from error
    return replace(_client(read), again=partial(load, path, context))


def parse(document: Any, path: Path, context: str | None = None) -> ClientConfig:
    """The configuration in an already read document; `path` is for messages and relative file names."""
    try:
        return _client(codec.parse(document, path, context))
    except codec.KubeconfigError as error:
        raise BadConfig(str(error)) from error


def _client(read: codec.Kubeconfig) -> ClientConfig:
    return ClientConfig(
        server=read.server,
        ca=read.ca,
        cert=read.cert,
        key=read.key,
        token=read.token,
        insecure_skip_tls_verify=read.insecure_skip_tls_verify,
        server_name=read.server_name,
        namespace=read.namespace,
        files=read.files,
    )


def render(*, server: str, ca: bytes, cert: bytes, key: bytes, user: str = "admin", cluster: str = "sampan") -> str:
    """A kubeconfig with everything inline, for one cluster and one user."""
    inline = {name: base64.b64encode(data).decode() for name, data in (("ca", ca), ("cert", cert), ("key", key))}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster, "cluster": {"server": server, "certificate-authority-data": inline["ca"]}}],
        "users": [
            {"name": user, "user": {"client-certificate-data": inline["cert"], "client-key-data": inline["key"]}}
        ],
        "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": user}}],
        "current-context": cluster,
    }
    return str(yaml.safe_dump(document, sort_keys=False))
