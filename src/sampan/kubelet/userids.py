"""User ids of the node for pods with a user namespace of their own (`hostUsers: false`, KEP-127).

Each gets a block of 65,536 ids that no other pod on the node has, so that what escapes from one is nobody in another.
The block is written down in the pod's folder before it is used and goes with the folder: files and processes of a pod
keep their owner however often the kubelet starts anew.
"""

from __future__ import annotations

import json
from pathlib import Path

LENGTH = 1 << 16
FIRST = LENGTH
LAST = 1 << 31
FILE = "userns"


class UserIdsError(Exception):
    """There are no ids for the pod; the message says why."""


class UserIds:
    """`pods` is the folder with the pods' folders."""

    def __init__(self, pods: Path) -> None:
        self._pods = pods

    def block(self, uid: str) -> int:
        """The first of the pod's ids on the node; the first time a free block is taken. Raises UserIdsError."""
        known = self._known()
        if uid in known:
            return known[uid]
        taken = set(known.values())
        start = next((start for start in range(FIRST, LAST, LENGTH) if start not in taken), None)
        if start is None:
            raise UserIdsError("could not find an empty range of user ids for the pod's user namespace")
        mapping = [{"hostId": start, "containerId": 0, "length": LENGTH}]
        fresh = self._pods / uid / f".{FILE}"
        fresh.write_text(json.dumps({"uidMappings": mapping, "gidMappings": mapping}))
        fresh.rename(self._pods / uid / FILE)
        return start

    def _known(self) -> dict[str, int]:
        """The blocks by pod. One that cannot be read stops us: two pods must not get the same ids."""
        found = {}
        for path in self._pods.glob(f"*/{FILE}"):
            try:
                found[path.parent.name] = int(json.loads(path.read_text())["uidMappings"][0]["hostId"])
            except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
                raise UserIdsError(f"the user ids noted in {path} cannot be read ({error}): delete the pod") from None
        return found
