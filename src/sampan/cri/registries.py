"""Where images are really fetched from: mirrors of registries, and registries that speak plain HTTP.

containerd reads one `hosts.toml` for each registry below its `config_path`: the hosts to try before the registry
itself (containerd docs: hosts.md). Ours are written from one option and marked; files that somebody else has put there
stay.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

Mirrors = Mapping[str, Sequence[str]]
"""Registry (`docker.io`, `host:5000`, `*` for all others) -> URLs to try first, in this order."""

MARK = "# Written by sampan at each start, from --registry-mirrors.\n"
REGISTRY = re.compile(r"\*|[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:\d{1,5})?")
URL = re.compile(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?(/[A-Za-z0-9._~/-]*)?|https?://\[[0-9a-fA-F:]+\](:\d{1,5})?")


def parse(text: str) -> dict[str, list[str]]:
    """`docker.io=http://10.0.0.5:5000,r.local:5000=http://r.local:5000`; a registry may be named again for a further
    mirror. Raises ValueError, saying what is wrong."""
    found: dict[str, list[str]] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        registry, equals, url = entry.partition("=")
        if not equals or not REGISTRY.fullmatch(registry):
            raise ValueError(f"{entry!r} is not REGISTRY=URL, such as docker.io=http://10.0.0.5:5000")
        if not URL.fullmatch(url):
            raise ValueError(f"{url!r} is not the URL of a registry, such as http://10.0.0.5:5000")
        found.setdefault(registry, []).append(url)
    return found


def render(urls: Sequence[str]) -> str:
    """The text of a hosts.toml that tries these before the registry itself."""
    hosts = (f'\n[host."{url}"]\n  capabilities = ["pull", "resolve"]\n' for url in urls)
    return MARK + "".join(hosts)


def write(folder: Path, mirrors: Mirrors) -> None:
    """Makes the folder say just this of what is ours in it. Raises OSError."""
    for path in folder.glob("*/hosts.toml"):
        if path.read_text().startswith(MARK) and path.parent.name not in map(folder_name, mirrors):
            path.unlink()
    for registry, urls in mirrors.items():
        path = folder / folder_name(registry) / "hosts.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text().startswith(MARK):
            path.write_text(render(urls))


def folder_name(registry: str) -> str:
    return "_default" if registry == "*" else registry
