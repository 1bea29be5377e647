"""Which container has which devices, kept in a file: a kubelet that starts anew gives none of them away.

What the plugin said a container gets with its devices is kept, too, so that it can be restarted while the plugin is
away. Bytes of messages stand in base64.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

import msgspec

log = logging.getLogger(__name__)
FILE = "allocations.json"


class Given(msgspec.Struct, frozen=True):
    """`response` is the plugin's ContainerAllocateResponse."""

    pod: str
    container: str
    resource: str
    devices: list[str]
    response: bytes = b""


class Record:
    """`folder` must exist; a file that cannot be read counts as empty, and is told of."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._given = self._read()

    def of(self, pod: str, container: str = "", resource: str = "") -> list[Given]:
        """What a pod was given, or one of its containers, or of one resource."""
        return [
            given
            for given in self._given
            if given.pod == pod
            and (not container or given.container == container)
            and (not resource or given.resource == resource)
        ]

    def all(self) -> list[Given]:
        return list(self._given)

    def used(self, resource: str) -> set[str]:
        return {device for given in self._given if given.resource == resource for device in given.devices}

    def add(self, given: Given) -> None:
        self._given.append(given)
        self._write()

    def keep(self, pods: Iterable[str]) -> None:
        """Forgets what pods that are gone were given."""
        known = set(pods)
        kept = [given for given in self._given if given.pod in known]
        if len(kept) != len(self._given):
            self._given = kept
            self._write()

    def _read(self) -> list[Given]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=list[Given])
        except FileNotFoundError:
            return []
        except (OSError, msgspec.MsgspecError) as error:
            log.error(
                "who has which devices cannot be read: they may be given twice file=%s error=%s", self._path, error
            )
            return []

    def _write(self) -> None:
        try:
            fresh = self._path.with_suffix(".new")
            fresh.write_bytes(msgspec.json.encode(self._given))
            fresh.replace(self._path)
        except OSError as error:
            log.warning("who has which devices cannot be written file=%s error=%s", self._path, error)
