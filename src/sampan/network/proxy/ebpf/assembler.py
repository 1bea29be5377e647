"""Instructions of the kernel's virtual machine, written by name, with labels to jump to. Pure.

Eleven registers: R0 is what a call returns, R1 to R5 its arguments, R6 to R9 outlive calls, R10 points behind the
stack. An instruction has eight bytes: opcode, registers (destination in the low half), a jump's or access's offset, a
constant.
Source: "BPF Instruction Set Architecture" (RFC 9669).
"""

from __future__ import annotations

import struct

R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, STACK = range(11)
LOAD = {4: 0x61, 2: 0x69, 1: 0x71, 8: 0x79}
STORE = {4: 0x63, 2: 0x6B, 1: 0x73, 8: 0x7B}
STORE_CONSTANT = {4: 0x62, 2: 0x6A, 1: 0x72, 8: 0x7A}
MAP_DESCRIPTOR = 1
"""The source register that makes a constant a map's file descriptor."""


class Assembler:
    def __init__(self) -> None:
        self._code: list[tuple[int, int, int, int, int]] = []
        self._labels: dict[str, int] = {}
        self._jumps: dict[int, str] = {}

    def move(self, target: int, source: int) -> None:
        self._add(0xBF, target, source)

    def constant(self, target: int, value: int) -> None:
        self._add(0xB7, target, constant=value)

    def add(self, target: int, value: int) -> None:
        self._add(0x07, target, constant=value)

    def modulo(self, target: int, source: int) -> None:
        """Of the low 32 bits; the kernel makes x % 0 be x."""
        self._add(0x9C, target, source)

    def load(self, size: int, target: int, base: int, offset: int) -> None:
        self._add(LOAD[size], target, base, offset)

    def store(self, size: int, base: int, offset: int, source: int) -> None:
        self._add(STORE[size], base, source, offset)

    def store_constant(self, size: int, base: int, offset: int, value: int) -> None:
        self._add(STORE_CONSTANT[size], base, 0, offset, value)

    def map(self, target: int, descriptor: int) -> None:
        """Two instructions: the address of a map."""
        self._add(0x18, target, MAP_DESCRIPTOR, 0, descriptor)
        self._add(0, 0)

    def call(self, helper: int) -> None:
        self._add(0x85, constant=helper)

    def jump(self, label: str) -> None:
        self._jump(0x05, 0, 0, label)

    def jump_if(self, register: int, value: int, label: str) -> None:
        self._jump(0x15, register, value, label)

    def jump_unless(self, register: int, value: int, label: str) -> None:
        self._jump(0x55, register, value, label)

    def label(self, name: str) -> None:
        self._labels[name] = len(self._code)

    def exit(self) -> None:
        self._add(0x95)

    def assemble(self) -> bytes:
        """The whole program; raises KeyError for a jump to nowhere."""
        code = list(self._code)
        for place, label in self._jumps.items():
            opcode, target, source, _, value = code[place]
            code[place] = (opcode, target, source, self._labels[label] - place - 1, value)
        return b"".join(
            struct.pack("<BBhi", opcode, target | source << 4, offset, value)
            for opcode, target, source, offset, value in code
        )

    def _jump(self, opcode: int, register: int, value: int, label: str) -> None:
        self._jumps[len(self._code)] = label
        self._add(opcode, register, 0, 0, value)

    def _add(self, opcode: int, target: int = 0, source: int = 0, offset: int = 0, constant: int = 0) -> None:
        self._code.append((opcode, target, source, offset, constant))
