"""The programs on the cgroup of a node's pods, with their maps. What is attached stays when this process ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from sampan.network.errors import Unusable
from sampan.network.proxy.backend import Change, Ports
from sampan.network.proxy.ebpf import kernel
from sampan.network.proxy.ebpf.entries import MAPS, Entries, fingerprint
from sampan.network.proxy.ebpf.layout import KEPT, Layout
from sampan.network.proxy.ebpf.programs import HOOKS, Hook
from sampan.network.proxy.settings import Settings

ENTRIES_A_QUESTION = 5_000
"""Reading an entry and working out what it should be takes some 3 us: 15 ms for each question."""


class Programs:
    """One address family's."""

    def __init__(self, settings: Settings) -> None:
        self._layout = Layout(settings.family)
        self._cgroup = settings.cgroup
        self._entries = Entries(self._layout)
        self._maps: dict[str, int] = {}
        self._identifiers: dict[str, int] = {}
        self._unasked = 0

    async def replace(self, services: Mapping[str, Ports]) -> None:
        """New maps and programs take the place of what is attached; sockets' flows are taken over."""
        content = await asyncio.to_thread(self._entries.replace, services)
        with self._opened() as cgroup:
            former = self._attached(cgroup)
            try:
                maps = self._new_maps(former.values())
                for name, entries in content.items():
                    await asyncio.to_thread(kernel.fill, maps[name], entries)
                self._attach(cgroup, maps, former)
            finally:
                _close(former.values())

    def update(self, changes: Sequence[Change]) -> None:
        for step in self._entries.update(changes):
            if step.value is None:
                kernel.delete(self._maps[step.map], step.key)
            else:
                kernel.put(self._maps[step.map], step.key, step.value)

    def attached(self) -> bool:
        """Whether ours are all there."""
        with self._opened() as cgroup:
            return all(self._identifiers.get(hook.name) in self._at(cgroup, hook) for hook in HOOKS)

    async def altered(self) -> bool:
        """Whether somebody else has written in our maps: asked as seldom as reading them is dear."""
        self._unasked += 1
        if self._unasked <= self._entries.size() // ENTRIES_A_QUESTION:
            return False
        self._unasked = 0
        return await asyncio.to_thread(self._differ)

    async def remove(self) -> None:
        """Detaches them, whoever attached them; none there, or a kernel that knows none, is no error."""
        with contextlib.suppress(Unusable, OSError), self._opened() as cgroup:
            former = self._attached(cgroup)
            for hook in HOOKS:
                if hook.name in former:
                    kernel.detach(cgroup, former[hook.name], hook.types[self._layout.digit])
            _close(former.values())
        self.close()

    def close(self) -> None:
        _close(self._maps.values())
        self._maps = {}

    def statistics(self) -> dict[str, int]:
        return self._entries.statistics()

    def _differ(self) -> bool:
        forms = {form.name: form for form in self._layout.maps()}
        return any(
            fingerprint(kernel.content(self._maps[name], forms[name])) != fingerprint(self._entries.content(name))
            for name in MAPS
        )

    def _attach(self, cgroup: int, maps: dict[str, int], former: Mapping[str, int]) -> None:
        for hook in HOOKS:
            attach_type = hook.types[self._layout.digit]
            program = kernel.load_program(hook.build(self._layout, maps), self._name(hook.name), attach_type)
            kernel.attach(cgroup, program, attach_type, former.get(hook.name))
            self._identifiers[hook.name] = kernel.program_info(program)[0]
            os.close(program)
        self.close()
        self._maps = maps

    def _new_maps(self, former: Iterable[int]) -> dict[str, int]:
        maps = self._taken_over(former)
        for form in self._layout.maps():
            if form.name not in maps:
                maps[form.name] = kernel.create_map(form, self._name(form.name))
        return maps

    def _taken_over(self, programs: Iterable[int]) -> dict[str, int]:
        """The maps that the kernel fills, of programs that are there already."""
        names, kept = {self._name(part): part for part in KEPT}, dict[str, int]()
        for program in programs:
            for name, descriptor in kernel.maps_by_name(kernel.program_info(program)[2]):
                if name in names and names[name] not in kept:
                    kept[names[name]] = descriptor
                else:
                    os.close(descriptor)
        return kept

    def _attached(self, cgroup: int) -> dict[str, int]:
        """Descriptors of the programs of our names, by hook."""
        found: dict[str, int] = {}
        for hook in HOOKS:
            for identifier in self._at(cgroup, hook):
                program = kernel.program_by_id(identifier)
                if kernel.program_info(program)[1] == self._name(hook.name) and hook.name not in found:
                    found[hook.name] = program
                else:
                    os.close(program)
        return found

    def _at(self, cgroup: int, hook: Hook) -> list[int]:
        return kernel.attached(cgroup, hook.types[self._layout.digit])

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        """Made where there is none: on hybrid hierarchies the first pod makes it."""
        place = Path(kernel.cgroup_root(), self._cgroup.strip("/"))
        place.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _name(self, part: str) -> str:
        return f"sampan_{part}"[: kernel.NAME_BYTES - 1] + self._layout.digit


def _close(descriptors: Iterable[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
