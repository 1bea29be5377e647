"""Keeps the programs attached and their maps filled, and nftables' rules for all they leave alone."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sampan.network.errors import Unusable
from sampan.network.proxy.backend import Change, Ports
from sampan.network.proxy.ebpf import kernel
from sampan.network.proxy.ebpf.entries import Entries
from sampan.network.proxy.ebpf.layout import KEPT, Layout
from sampan.network.proxy.ebpf.programs import HOOKS, Hook
from sampan.network.proxy.nftables.backend import NftablesBackend
from sampan.network.proxy.settings import Settings


class EbpfBackend:
    """`proxy.backend.Backend` by programs on the machine's cgroup, over nftables."""

    def __init__(self, settings: Settings) -> None:
        self._rules = NftablesBackend(settings)
        self._layout = Layout(settings.family)
        self._entries = Entries(self._layout)
        self._maps: dict[str, int] = {}
        self._programs: dict[str, int] = {}

    async def replace(self, services: Mapping[str, Ports]) -> None:
        """New maps and programs take the place of what is attached; sockets' flows are taken over."""
        await self._rules.replace(services)
        with self._cgroup() as cgroup:
            former = self._attached(cgroup)
            try:
                maps = self._taken_over(list(former.values()))
                for form in self._layout.maps():
                    if form.name not in maps:
                        maps[form.name] = kernel.create_map(form, self._name(form.name))
                for name, entries in self._entries.replace(services).items():
                    kernel.fill(maps[name], entries)
                self._attach(cgroup, maps, former)
            finally:
                _close(former.values())

    async def update(self, changes: Sequence[Change]) -> None:
        """The rules first: what a program does not know yet goes by them."""
        await self._rules.update(changes)
        for step in self._entries.update(changes):
            if step.value is None:
                kernel.delete(self._maps[step.map], step.key)
            else:
                kernel.put(self._maps[step.map], step.key, step.value)

    async def damaged(self) -> bool:
        with self._cgroup() as cgroup:
            whole = all(self._programs.get(hook.name) in self._identifiers(cgroup, hook) for hook in HOOKS)
        return not whole or await self._rules.damaged()

    async def remove(self) -> None:
        with contextlib.suppress(Unusable), self._cgroup() as cgroup:
            former = self._attached(cgroup)
            for hook in HOOKS:
                if hook.name in former:
                    kernel.detach(cgroup, former[hook.name], hook.types[self._layout.digit])
            _close(former.values())
        await self._rules.remove()
        self.close()

    def close(self) -> None:
        _close(self._maps.values())
        self._maps = {}
        self._rules.close()

    def statistics(self) -> dict[str, Any]:
        return {**self._rules.statistics(), **self._entries.statistics()}

    @contextlib.contextmanager
    def _cgroup(self) -> Iterator[int]:
        descriptor = os.open(kernel.cgroup_root(), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _attach(self, cgroup: int, maps: dict[str, int], former: Mapping[str, int]) -> None:
        programs: dict[str, int] = {}
        for hook in HOOKS:
            attach_type = hook.types[self._layout.digit]
            program = kernel.load_program(hook.build(self._layout, maps), self._name(hook.name), attach_type)
            kernel.attach(cgroup, program, attach_type, former.get(hook.name))
            programs[hook.name] = kernel.program_info(program)[0]
            os.close(program)
        _close(self._maps.values())
        self._maps, self._programs = maps, programs

    def _attached(self, cgroup: int) -> dict[str, int]:
        """Descriptors of the programs of ours that are there, whoever attached them, by hook."""
        found = {}
        for hook in HOOKS:
            for identifier in self._identifiers(cgroup, hook):
                program = kernel.program_by_id(identifier)
                if kernel.program_info(program)[1] == self._name(hook.name) and hook.name not in found:
                    found[hook.name] = program
                else:
                    os.close(program)
        return found

    def _identifiers(self, cgroup: int, hook: Hook) -> list[int]:
        return kernel.attached(cgroup, hook.types[self._layout.digit])

    def _taken_over(self, programs: Sequence[int]) -> dict[str, int]:
        """The maps that the kernel fills, of programs that are there already."""
        kept: dict[str, int] = {}
        for program in programs:
            for name, descriptor in kernel.maps_by_name(kernel.program_info(program)[2]):
                part = next((part for part in KEPT if self._name(part) == name), None)
                if part is not None and part not in kept:
                    kept[part] = descriptor
                else:
                    os.close(descriptor)
        return kept

    def _name(self, part: str) -> str:
        return f"sampan_{part}"[: kernel.NAME_BYTES - 1] + self._layout.digit


def _close(descriptors: Any) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
