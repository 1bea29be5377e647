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
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sampan.volumes.payload import secret_data

DOCKER_HUB = ("docker.io", "index.docker.io", "registry-1.docker.io")
KEYS = {"kubernetes.io/dockerconfigjson": ".dockerconfigjson", "kubernetes.io/dockercfg": ".dockercfg"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """`registry` is `host[:port][/path]`, perhaps with `*` for a part of the host."""

    registry: str
    username: str = ""
    password: str = ""
    identity_token: str = ""


def credentials_in(secrets: Iterable[Any]) -> list[Credential]:
    """All credentials of the secrets; one that cannot be read is passed over, as upstream does."""
    found = []
    for secret in secrets:
        raw = secret_data(secret).get(KEYS.get(secret.type or "", ""))
        try:
            document = json.loads(raw or b"{}")
        except ValueError:
            continue
        entries = document.get("auths", {}) if secret.type == "kubernetes.io/dockerconfigjson" else document
        found += [credential(registry, entry) for registry, entry in entries.items() if isinstance(entry, dict)]
    return found


def credential(registry: str, entry: dict[str, Any]) -> Credential:
    username, password = entry.get("username", ""), entry.get("password", "")
    if not username and entry.get("auth"):
        with contextlib.suppress(binascii.Error, UnicodeDecodeError):
            username, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
    return Credential(
        registry=registry_of(registry),
        username=username,
        password=password,
        identity_token=entry.get("identitytoken", ""),
    )


def registry_of(text: str) -> str:
    """`https://index.docker.io/v1/` is `index.docker.io`."""
    host = text.removeprefix("https://").removeprefix("http://").rstrip("/")
    for suffix in ("/v1", "/v2"):
        host = host.removesuffix(suffix)
    return host


def matching(image: str, credentials: Iterable[Credential]) -> list[Credential]:
    """Those for the image's registry, the most specific first."""
    host, _, path = full_name(image).partition("/")
    return sorted((known for known in credentials if fits(known.registry, host, path)), key=lambda c: -len(c.registry))


def fits(registry: str, host: str, path: str) -> bool:
    wanted, _, prefix = registry.partition("/")
    if host in DOCKER_HUB and wanted in DOCKER_HUB:
        wanted = host
    same_parts = wanted.count(".") == host.count(".")
    return same_parts and fnmatch.fnmatchcase(host, wanted) and path.startswith(prefix)


def full_name(image: str) -> str:
    """With the registry that a short name means: `nginx` is `docker.io/library/nginx`."""
    first, slash, _ = image.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return image
    return f"docker.io/{image}" if slash else f"docker.io/library/{image}"
