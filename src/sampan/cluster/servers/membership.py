"""Asking etcd's members about themselves: who belongs to the cluster, who answers, and changes of both.

By etcd's JSON gateway (https://etcd.io/docs/latest/dev-guide/api_grpc_gateway/), because whoever asks is about to
become a member, or a command, and has no event loop. Whoever answers answers for all: a majority decides on changes.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sampan.cluster.errors import ClusterError

SECONDS = 5.0
MOST_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Known:
    """A member as the cluster knows it; one without a name has never been started."""

    id: str
    name: str
    peers: tuple[str, ...]


class Membership:
    """What the members at `endpoints` say; `tls` None: in the clear."""

    def __init__(self, endpoints: Sequence[str], tls: ssl.SSLContext | None) -> None:
        self._endpoints = endpoints
        self._tls = tls

    def members(self) -> list[Known]:
        """All of them. Raises ClusterError when nobody answers."""
        found = self._ask("list", {})["members"]
        return [Known(id=each["ID"], name=each.get("name", ""), peers=tuple(each["peerURLs"])) for each in found]

    def remove(self, known: Known) -> None:
        self._ask("remove", {"ID": known.id})

    def add(self, peer: str) -> None:
        """A member that is yet to be started, to be found at `peer`."""
        self._ask("add", {"peerURLs": [peer]})

    def healthy(self) -> list[str]:
        """The endpoints whose member is there and has a leader."""
        return [endpoint for endpoint in self._endpoints if self._is_healthy(endpoint)]

    def _is_healthy(self, endpoint: str) -> bool:
        try:
            return self._get(endpoint, "GET", "/health", None).get("health") in ("true", True)
        except (OSError, http.client.HTTPException, ClusterError):
            return False

    def _ask(self, verb: str, body: dict[str, Any]) -> dict[str, Any]:
        """The first answer. Raises ClusterError with what was said, when there is none."""
        said = "there are no others"
        for endpoint in self._endpoints:
            try:
                return self._get(endpoint, "POST", f"/v3/cluster/member/{verb}", body)
            except (OSError, http.client.HTTPException, ClusterError) as error:
                said = f"{endpoint}: {error}"
        raise ClusterError(f"no etcd member could {verb} members: {said}")

    def _get(self, endpoint: str, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        place = urlsplit(endpoint)
        assert place.hostname is not None
        connection = (
            http.client.HTTPSConnection(place.hostname, place.port, timeout=SECONDS, context=self._tls)
            if self._tls
            else http.client.HTTPConnection(place.hostname, place.port, timeout=SECONDS)
        )
        try:
            connection.request(method, path, json.dumps(body).encode() if body is not None else None)
            answer = connection.getresponse()
            return _read(answer.status, answer.read(MOST_BYTES))
        finally:
            connection.close()


def _read(status: int, body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except ValueError:
        said = None
    if status != 200 or not isinstance(said, dict):
        text = said.get("error") if isinstance(said, dict) else body[:200].decode("utf-8", "replace")
        raise ClusterError(f"HTTP {status}: {text}")
    return said


def context(authority: Path, certificate: Path, key: Path) -> ssl.SSLContext:
    """As the members' clients have it. Raises OSError for files that cannot be used."""
    made = ssl.create_default_context(cafile=authority)
    made.load_cert_chain(certificate, key)
    return made


def rejoin(membership: Membership, name: str, peer: str) -> str:
    """Gives one that lost its data a new place in the cluster; answers etcd's --initial-cluster.

    The old place is taken away first: an empty member in it would vote as if it still knew what it had acknowledged,
    and so lose it. May be done again when it was cut short. Raises ClusterError, also while no majority is there.
    """
    mine = [known for known in membership.members() if peer in known.peers]
    for known in mine:
        if known.name:
            membership.remove(known)
    if all(known.name for known in mine):
        membership.add(peer)
    return initial(membership.members(), name, peer)


def initial(members: Iterable[Known], name: str, peer: str) -> str:
    """All members by name and address; `name` is the one yet to be started at `peer`."""
    return ",".join(f"{name if peer in known.peers else known.name}={url}" for known in members for url in known.peers)
