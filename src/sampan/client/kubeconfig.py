"""kubeconfig files: which server, whom to trust, who we are.

The form is the v1 Config of the "Organizing Cluster Access Using kubeconfig Files" page: three lists of named entries
and contexts that join them. Certificates come inline (base64) or as files relative to the kubeconfig's own folder.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from sampan.client.config import ClientConfig
from sampan.client.errors import BadConfig


def load(path: str | Path, context: str | None = None) -> ClientConfig:
    """The configuration of `context` (default: the current one); raises BadConfig."""
    path = Path(path)
    try:
        document = yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except OSError as error:
        raise BadConfig(f"kubeconfig {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise BadConfig(f"kubeconfig {path} is not YAML: {error}") from error
    return replace(parse(document, path, context), again=partial(load, path, context))


def parse(document: Any, path: Path, context: str | None = None) -> ClientConfig:
    """The configuration in an already read document; `path` is for messages and relative file names."""
    if not isinstance(document, dict) or document.get("kind", "Config") != "Config":
        raise BadConfig(f"kubeconfig {path}: no Config document")
    chosen = context or document.get("current-context")
    if not chosen:
        raise BadConfig(f"kubeconfig {path}: no current-context; name a context")
    joined = _entry(document, "contexts", "context", chosen, path)
    cluster = _entry(document, "clusters", "cluster", joined.get("cluster"), path)
    user = _entry(document, "users", "user", joined.get("user"), path) if joined.get("user") else {}
    if not cluster.get("server"):
        raise BadConfig(f"kubeconfig {path}: cluster {joined.get('cluster')!r} has no server")
    if "exec" in user or "auth-provider" in user:
        raise BadConfig(f"kubeconfig {path}: user {joined.get('user')!r} uses a credential plugin, not supported here")
    return ClientConfig(
        server=cluster["server"],
        ca=_data(cluster, "certificate-authority", path),
        cert=_data(user, "client-certificate", path),
        key=_data(user, "client-key", path),
        token=user.get("token") or _token_file(user, path),
        insecure_skip_tls_verify=bool(cluster.get("insecure-skip-tls-verify")),
        server_name=cluster.get("tls-server-name"),
        namespace=joined.get("namespace") or "default",
        files=(path, *named_files(cluster, user, path)),
    )


def named_files(cluster: dict[str, Any], user: dict[str, Any], path: Path) -> list[Path]:
    """The files that are read beside the kubeconfig itself."""
    entries = ((cluster, "certificate-authority"), (user, "client-certificate"), (user, "client-key"))
    named = [entry[field] for entry, field in entries if entry.get(field) and not entry.get(f"{field}-data")]
    named += [user["tokenFile"]] if user.get("tokenFile") and not user.get("token") else []
    return [path.parent / name for name in named]


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


def _entry(document: dict[str, Any], section: str, field: str, name: Any, path: Path) -> dict[str, Any]:
    for entry in document.get(section) or []:
        if isinstance(entry, dict) and entry.get("name") == name:
            return entry.get(field) or {}
    raise BadConfig(f"kubeconfig {path}: {section} has no {name!r}")


def _data(entry: dict[str, Any], field: str, path: Path) -> bytes | None:
    """`field`-data decoded, or the file `field` names."""
    if inline := entry.get(f"{field}-data"):
        try:
            return base64.b64decode(inline, validate=True)
        except (binascii.Error, ValueError, TypeError) as error:
            raise BadConfig(f"kubeconfig {path}: {field}-data is not base64: {error}") from error
    if named := entry.get(field):
        try:
            return (path.parent / named).read_bytes()
        except OSError as error:
            raise BadConfig(f"kubeconfig {path}: {field} {named}: {error.strerror}") from error
    return None


def _token_file(user: dict[str, Any], path: Path) -> str | None:
    data = _data({"token": user.get("tokenFile")}, "token", path)
    return data.decode().strip() if data else None
