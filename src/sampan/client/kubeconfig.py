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


OURS = ("clusters", "users")
"""The lists of a kubeconfig whose entries say where the cluster is and who one is there."""


def renewed(kept: str, made: str) -> str:
    """A kubeconfig that is in use, with the entries of one that was just made; what its user has added or chosen (other
    clusters, a namespace) stays. What cannot be read, or says nothing else, becomes as it was made.
    """
    try:
        old, new = yaml.safe_load(kept), yaml.safe_load(made)
    except yaml.YAMLError:
        return made
    if not isinstance(old, dict) or not all(isinstance(old.get(name), list) for name in (*OURS, "contexts")):
        return made
    changed = False
    for name in OURS:
        changed |= _put(old[name], new[name])
    known = {entry.get("name") for entry in old["contexts"] if isinstance(entry, dict)}
    missing = [entry for entry in new["contexts"] if entry["name"] not in known]
    if not changed and not missing:
        return kept
    old["contexts"] += missing
    return str(yaml.safe_dump({"current-context": new["current-context"], **old}, sort_keys=False))


def _put(entries: list[Any], wanted: list[Any]) -> bool:
    """Replaces entries by name; whether that changed anything."""
    changed = False
    for entry in wanted:
        at = next((i for i, e in enumerate(entries) if isinstance(e, dict) and e.get("name") == entry["name"]), None)
        if at is None:
            entries.append(entry)
        elif entries[at] != entry:
            entries[at] = entry
        else:
            continue
        changed = True
    return changed
