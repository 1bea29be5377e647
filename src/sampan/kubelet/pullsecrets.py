"""Which credentials an image may be pulled with: pull secrets, against the image's registry.

A secret holds a docker configuration: registry -> user and password. A registry may be written as a host, a host and
path, or a URL, and may have `*` for a part of its name; the longest that fits is tried first. ("Pull an Image from a
Private Registry" in upstream's docs.)
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import fnmatch
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sampan.kubelet.imagenames import full_name
from sampan.volumes.payload import secret_data

DOCKER_HUB = ("docker.io", "index.docker.io", "registry-1.docker.io")
KEYS = {"kubernetes.io/dockerconfigjson": ".dockerconfigjson", "kubernetes.io/dockercfg": ".dockercfg"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """`registry` is `host[:port][/path]`, perhaps with `*` for a part of the host.

    `secret` is the (uid, namespace, name) of the Secret it is from, `account` that of the service account that a
    provider gave it to; neither is for one that all pods of the node may use.
    """

    registry: str
    username: str = ""
    password: str = ""
    identity_token: str = ""
    secret: tuple[str, str, str] | None = None
    account: tuple[str, str, str] | None = None

    def coordinates(self) -> dict[str, str]:
        """Where it is from, and what it holds if from a Secret, as a record of a pull names it; {} when everybody's."""
        source = self.secret or self.account
        if source is None:
            return {}
        uid, namespace, name = source
        if self.secret is None:
            return {"uid": uid, "namespace": namespace, "name": name}
        held = json.dumps([self.username, self.password, self.identity_token]).encode()
        digest = hashlib.sha256(held).hexdigest()
        return {"uid": uid, "namespace": namespace, "name": name, "credentialHash": digest}


def credentials_in(secrets: Iterable[Any]) -> list[Credential]:
    """All credentials of the secrets; one that cannot be read is passed over, as upstream does."""
    found = []
    for secret in secrets:
        key = KEYS.get(secret.type or "", "")
        meta = secret.metadata
        source = (meta.uid or "", meta.namespace or "", meta.name or "") if meta is not None else ("", "", "")
        found += documented(secret_data(secret).get(key, b""), source, old=key == ".dockercfg")
    return found


def documented(raw: bytes, source: tuple[str, str, str] | None, *, old: bool = False) -> list[Credential]:
    """The credentials of a docker configuration: registries under "auths", or at the top in the old form."""
    try:
        document = json.loads(raw or b"{}")
        entries = document if old else document.get("auths") or {}
        return [credential(name, entry, source) for name, entry in entries.items() if isinstance(entry, dict)]
    except (ValueError, AttributeError):
        return []


def credential(registry: str, entry: dict[str, Any], source: tuple[str, str, str] | None) -> Credential:
    username, password = entry.get("username", ""), entry.get("password", "")
    if not username and entry.get("auth"):
        with contextlib.suppress(binascii.Error, UnicodeDecodeError):
            username, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
    return Credential(
        registry=registry_of(registry),
        username=username,
        password=password,
        identity_token=entry.get("identitytoken", ""),
        secret=source,
    )


def registry_of(text: str) -> str:
    """`https://index.docker.io/v1/` is `index.docker.io`."""
    host = text.removeprefix("https://").removeprefix("http://").rstrip("/")
    for suffix in ("/v1", "/v2"):
        host = host.removesuffix(suffix)
    return host


def matching(image: str, credentials: Iterable[Credential]) -> list[Credential]:
    """Those for the image's registry, the most specific first."""
    return sorted((known for known in credentials if is_for(known.registry, image)), key=lambda c: -len(c.registry))


def is_for(registry: str, image: str) -> bool:
    host, _, path = full_name(image).partition("/")
    wanted, _, prefix = registry.partition("/")
    if host in DOCKER_HUB and wanted in DOCKER_HUB:
        wanted = host
    same_parts = wanted.count(".") == host.count(".")
    return same_parts and fnmatch.fnmatchcase(host, wanted) and path.startswith(prefix)
