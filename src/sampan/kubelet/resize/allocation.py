"""What the node has allocated to a pod and set on its containers; kept in a file of the pod's folder.

A kubelet that starts anew goes on from there: it neither takes back what was given nor gives what did not fit. A file
that cannot be read counts as none: then the spec is allocated, as for a new pod.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import msgspec

from sampan.kubelet.resize.amounts import Amounts, Snapshot, snapshot, with_amounts

log = logging.getLogger(__name__)
FILE = "allocation.json"


class Record(msgspec.Struct):
    """`actuated` is by container id, and the pod's own amounts under ""."""

    allocated: Snapshot
    actuated: dict[str, Amounts] = {}


class Allocation:
    """`folder` is the pod's; it is made with the first change."""

    def __init__(self, pod: Any, folder: Path) -> None:
        self._path = folder / FILE
        self._record = self._read() or Record(allocated=snapshot(pod))

    @property
    def allocated(self) -> Snapshot:
        return self._record.allocated

    @property
    def actuated(self) -> dict[str, Amounts]:
        return self._record.actuated

    def applied(self, pod: Any) -> Any:
        """The pod as this node runs it: with what is allocated."""
        return with_amounts(pod, self._record.allocated)

    def allocate(self, wanted: Snapshot) -> None:
        self._record.allocated = wanted
        self._write()

    def note(self, key: str, amounts: Amounts) -> None:
        """A container (by id) or the pod itself ("") has been set to these amounts."""
        self._record.actuated[key] = amounts
        self._write()

    def forget(self, key: str) -> None:
        """The container is gone."""
        if self._record.actuated.pop(key, None) is not None:
            self._write()

    def _read(self) -> Record | None:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Record)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            log.warning("a pod's allocation cannot be read, its spec counts file=%s error=%s", self._path, error)
            return None

    def _write(self) -> None:
        """Whole or not at all; a full disk loses only what a restart would have to do again."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh = self._path.with_suffix(".new")
            fresh.write_bytes(msgspec.json.encode(self._record))
            fresh.replace(self._path)
        except OSError as error:
            log.warning("a pod's allocation cannot be written file=%s error=%s", self._path, error)
