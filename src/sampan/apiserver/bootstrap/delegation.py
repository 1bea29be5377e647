"""`kube-system/extension-apiserver-authentication`: what servers behind this one need to know whom to believe.

They read it to check client certificates as this server does, and to believe the headers of its own requests.
https://kubernetes.io/docs/tasks/extend-kubernetes/configure-aggregation-layer/#kubernetes-apiserver-client-authentication
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sampan.aio.files import Watched
from sampan.api.kinds import core_v1, meta_v1
from sampan.apiserver.config import Config

if TYPE_CHECKING:
    from sampan.apiserver.bootstrap.objects import Bootstrap
    from sampan.apiserver.server import ApiServer

NAMESPACE, NAME = "kube-system", "extension-apiserver-authentication"
LOOK_SECONDS = 60.0
"""Authorities are replaced seldom, and both are in the files for a long while then."""


class Delegation:
    """Publishes at start, and again when a file of authorities has changed."""

    def __init__(self, server: ApiServer, bootstrap: Bootstrap) -> None:
        self._server = server
        self._bootstrap = bootstrap

    async def run(self) -> None:
        """Until cancelled; ends at once where there is nothing to tell."""
        config = self._server.config
        files = [file for file in (config.client_authority, config.authentication.request_header.authority) if file]
        watched = Watched(files)
        while files:
            await self._publish()
            while not watched.changed():
                await self._server.clock.sleep(LOOK_SECONDS)

    async def _publish(self) -> None:
        metadata = meta_v1.ObjectMeta(namespace=NAMESPACE, name=NAME)
        await self._bootstrap.replace(core_v1.ConfigMap(metadata=metadata, data=published(self._server.config)))


def published(config: Config) -> dict[str, str]:
    """The data of the config map: files as they are, lists as JSON. A file that cannot be read is left out."""
    proxies = config.authentication.request_header
    data = {"client-ca-file": _text(config.client_authority)}
    if proxies.authority is not None:
        data |= {
            "requestheader-client-ca-file": _text(proxies.authority),
            "requestheader-allowed-names": _list(proxies.names),
            "requestheader-username-headers": _list(proxies.username_headers),
            "requestheader-uid-headers": _list(proxies.uid_headers),
            "requestheader-group-headers": _list(proxies.group_headers),
            "requestheader-extra-headers-prefix": _list(proxies.extra_prefixes),
        }
    return {name: value for name, value in data.items() if value}


def _text(file: Path | None) -> str:
    try:
        return file.read_text() if file is not None else ""
    except OSError:
        return ""


def _list(values: Sequence[str]) -> str:
    return json.dumps(list(values), separators=(",", ":"))
