"""kubeconfig files: which server, whom to trust, who we are.

The form is the v1 Config of the "Organizing Cluster Access Using kubeconfig Files" page: three lists of named entries
and contexts that join them. Certificates come inline (base64) or as files relative to the kubeconfig's own folder.
Clients read it, and servers do to learn where their webhooks are.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class KubeconfigError(ValueError):
    """A kubeconfig that cannot be read or does not say enough; the message says what to change."""


@dataclass(frozen=True, kw_only=True)
class Kubeconfig:
    """One context. `ca`, `cert` and `key` are PEM bytes; `ca` None means the machine's own trust store."""

    server: str
    ca: bytes | None = None
    cert: bytes | None = None
    key: bytes | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    basic: tuple[str, str] | None = field(default=None, repr=False)
    insecure_skip_tls_verify: bool = False
    server_name: str | None = None
    namespace: str = "default"
    files: tuple[Path, ...] = ()
    """What it was read from: the kubeconfig itself, and the files it names."""


def load(path: str | Path, context: str | None = None) -> Kubeconfig:
    """The configuration of `context` (default: the current one); raises KubeconfigError."""
    import yaml

    path = Path(path)
    try:
        document = yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except OSError as error:
        raise KubeconfigError(f"kubeconfig {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise KubeconfigError(f"kubeconfig {path} is not YAML: {error}") from error
    return parse(document, path, context)


def parse(document: Any, path: Path, context: str | None = None) -> Kubeconfig:
    """The configuration in an already read document; `path` is for messages and relative file names."""
    if not isinstance(document, dict) or document.get("kind", "Config") != "Config":
        raise KubeconfigError(f"kubeconfig {path}: no Config document")
    chosen = context or document.get("current-context")
    if not chosen:
        raise KubeconfigError(f"kubeconfig {path}: no current-context; name a context")
    joined = _entry(document, "contexts", "context", chosen, path)
    cluster = _entry(document, "clusters", "cluster", joined.get("cluster"), path)
    user = _entry(document, "users", "user", joined.get("user"), path) if joined.get("user") else {}
    if not cluster.get("server"):
        raise KubeconfigError(f"kubeconfig {path}: cluster {joined.get('cluster')!r} has no server")
    if "exec" in user or "auth-provider" in user:
        raise KubeconfigError(
            f"kubeconfig {path}: user {joined.get('user')!r} uses a credential plugin, not supported here"
        )
    return Kubeconfig(
        server=cluster["server"],
        ca=_data(cluster, "certificate-authority", path),
        cert=_data(user, "client-certificate", path),
        key=_data(user, "client-key", path),
        token=user.get("token") or _token_file(user, path),
        basic=(user["username"], user.get("password") or "") if user.get("username") else None,
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


def _entry(document: dict[str, Any], section: str, field: str, name: Any, path: Path) -> dict[str, Any]:
    for entry in document.get(section) or []:
        if isinstance(entry, dict) and entry.get("name") == name:
            return entry.get(field) or {}
    raise KubeconfigError(f"kubeconfig {path}: {section} has no {name!r}")


def _data(entry: dict[str, Any], field: str, path: Path) -> bytes | None:
    """`field`-data decoded, or the file `field` names."""
    if inline := entry.get(f"{field}-data"):
        try:
            return base64.b64decode(inline, validate=True)
        except (binascii.Error, ValueError, TypeError) as error:
            raise KubeconfigError(f"kubeconfig {path}: {field}-data is not base64: {error}") from error
    if named := entry.get(field):
        try:
            return (path.parent / named).read_bytes()
        except OSError as error:
            raise KubeconfigError(f"kubeconfig {path}: {field} {named}: {error.strerror}") from error
    return None


def _token_file(user: dict[str, Any], path: Path) -> str | None:
    data = _data({"token": user.get("tokenFile")}, "token", path)
    return data.decode().strip() if data else None
