"""Which container has which processors, in a file of upstream's form (cpu_manager_state)."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

import msgspec

from sampan.kubelet.cpus.topology import parse, shown

log = logging.getLogger(__name__)
FILE = "cpu_manager_state"


class Stored(msgspec.Struct):
    policyName: str
    defaultCpuSet: str
    entries: dict[str, dict[str, str]] = {}


class CpuState:
    """`entries` are the processors by pod uid and container. A file of another policy, or none that can be read, begins
    anew: a pod keeps running, on processors that may be given to another; so it is told."""

    def __init__(self, folder: Path, policy: str) -> None:
        self._path = folder / FILE
        self._policy = policy
        self.entries: dict[str, dict[str, frozenset[int]]] = self._read()

    def used(self) -> frozenset[int]:
        return frozenset(cpu for pod in self.entries.values() for cpus in pod.values() for cpu in cpus)

    def give(self, uid: str, container: str, cpus: frozenset[int], default: Iterable[int]) -> None:
        self.entries.setdefault(uid, {})[container] = cpus
        self.write(default)

    def write(self, default: Iterable[int]) -> None:
        """`default` are the processors that all others share."""
        entries = {uid: {name: shown(cpus) for name, cpus in pod.items()} for uid, pod in self.entries.items()}
        stored = Stored(self._policy, shown(default), entries)
        try:
            fresh = self._path.with_suffix(".new")
            fresh.write_bytes(msgspec.json.encode(stored))
            fresh.replace(self._path)
        except OSError as error:
            log.warning("who has which processors cannot be written file=%s error=%s", self._path, error)

    def _read(self) -> dict[str, dict[str, frozenset[int]]]:
        try:
            stored = msgspec.json.decode(self._path.read_bytes(), type=Stored)
            if stored.policyName != self._policy:
                log.warning("the CPU manager's policy has changed before=%s now=%s", stored.policyName, self._policy)
                return {}
            return {uid: {name: parse(text) for name, text in pod.items()} for uid, pod in stored.entries.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, msgspec.MsgspecError) as error:
            log.error("who has which processors cannot be read file=%s error=%s", self._path, error)
            return {}
